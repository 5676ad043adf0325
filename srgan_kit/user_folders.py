"""The system's folders for what a user's programs keep, and for what they could make again."""

import os
import sys
from pathlib import Path


def data_folder() -> Path:
    """Where what the user keeps is."""
    if sys.platform == "win32":
        return _local() / "srgan-kit"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "srgan-kit"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "srgan-kit"


def cache_folder() -> Path:
    """Where what could be made again is: SRGAN_KIT_CACHE, or the system's."""
    if given := os.environ.get("SRGAN_KIT_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return _local() / "srgan-kit" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "srgan-kit"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "srgan-kit"


def runtime_folder() -> Path:
    """Where sockets are that live as long as their programs: that of the session, or one in the cache."""
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given) / "srgan-kit"
    return cache_folder() / "run"


def _local() -> Path:
    return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
