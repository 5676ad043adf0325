"""Images by number, still encoded: what a source of training images is, and a folder of files as one."""

import os
import tempfile
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.images.formats import readable_endings
from srgan_kit.images.read import read_image


class ImageFiles(Protocol):
    """A source of images, each of which can be read on its own, in any order and by any process."""

    root: Path
    """The source as the user knows it."""
    names: Sequence[str]
    """The images' names below the root, with "/" between folders: the order of their numbers."""

    @abstractmethod
    def stamps(self) -> Sequence[tuple[int, int]]:
        """Of each image the size in bytes and the time of change in nanoseconds of the file that holds it."""

    @abstractmethod
    def read(self, number: int) -> np.ndarray:
        """The image, decoded: (H, W, 1 or 3) uint8, or uint16 where it has more than 8 bits.

        Raises:
            UserError: it cannot be read; the message begins with `root / name`.
        """

    @abstractmethod
    def class_of(self, number: int) -> str | None:
        """The name of the image's class; None where it has none."""


class FolderFiles(ImageFiles):
    """The images in a folder and below it; the inner folders are their classes.

    Args:
        folder: where they are.
        names: which of them, see `image_names`.
        root: what the folder is called in messages; None for its own name.
    """

    def __init__(self, folder: Path, names: Sequence[str], root: Path | None = None) -> None:
        self.folder, self.names, self.root = folder, names, folder if root is None else root

    def stamps(self) -> Sequence[tuple[int, int]]:
        """Size and time of change of each file, or of what all were unpacked from; zeros for one that has gone."""
        if self.root != self.folder:
            return [_stamp(str(self.root))] * len(self.names)
        return [_stamp(f"{self.folder}/{name}") for name in self.names]

    def read(self, number: int) -> np.ndarray:
        """The image in that file."""
        try:
            return read_image(self.folder / self.names[number]).pixels
        except UserError as error:
            raise UserError(str(error).replace(str(self.folder), str(self.root), 1)) from None

    def class_of(self, number: int) -> str | None:
        """The first folder below this one that the image lies in."""
        first, inner, _ = self.names[number].partition("/")
        return first if inner else None


def image_names(folder: Path, recursive: bool = True, leave_out: Path | None = None) -> list[str]:
    """All files in (and below) `folder` whose ending is read, by their paths below it, sorted by their parts.

    What is hidden, and what lies in or below `leave_out`, is passed over.

    Raises:
        UserError: the folder cannot be searched.
    """
    readable, kept_out = readable_endings(), None if leave_out is None else leave_out.resolve()
    names: list[str] = []
    inside = [""]
    try:
        while inside:
            prefix = inside.pop()
            with os.scandir(folder / prefix) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if recursive and not (kept_out and Path(entry.path).resolve().is_relative_to(kept_out)):
                            inside.append(f"{prefix}{entry.name}/")
                    elif os.path.splitext(entry.name)[1].lower() in readable and entry.is_file():
                        names.append(prefix + entry.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be searched ({error.strerror})") from None
    return sorted(names, key=lambda name: name.split("/"))


def check_no_image(path: Path) -> None:
    """Raise a UserError that says what to do with a single image that is given for a folder of them."""
    if Image.registered_extensions().get(path.suffix.lower()) in Image.OPEN:
        raise UserError(f"{path}: an image; expected a folder of images: put it, and more, into one")


def read_encoded(content: bytes, name: str, shown: Path) -> np.ndarray:
    """The image in the bytes of a file, see `ImageFiles.read`.

    The decoders take files, so the bytes go through a temporary one.

    Args:
        content: the file's bytes.
        name: the file's name; its ending says what it is.
        shown: what it is called in messages.

    Raises:
        UserError: it cannot be read.
    """
    handle, path = tempfile.mkstemp(suffix=PurePosixPath(name).suffix, prefix="srgan-kit-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return read_image(path).pixels
    except UserError as error:
        raise UserError(str(error).replace(path, str(shown), 1)) from None
    finally:
        with suppress(OSError):
            os.unlink(path)


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
