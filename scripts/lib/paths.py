"""Where scripts read and write: folders of the checkout, and the data folder."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRETRAINED = ROOT / "pretrained"
DOCS = ROOT / "docs"
RESULTS = DOCS / "results"
"""Measured numbers, as JSON."""
GUIDE = DOCS / "guide"
"""Pages for users."""
STUDIES = DOCS / "studies"
"""Pages of the experiments."""
SYSTEMS = DOCS / "systems"
"""Pages of the adversarial and other generative systems."""
IMAGES = DOCS / "images"
"""Figures of all pages."""


def data_folder(*, missing: str = "SRGAN_KIT_DATA must name the data folder") -> Path:
    """The folder that the environment variable SRGAN_KIT_DATA names; without it the script ends with status 2."""
    folder = os.environ.get("SRGAN_KIT_DATA", "")
    if not folder:
        print(missing, file=sys.stderr)
        raise SystemExit(2)
    return Path(folder)
