"""WebDataset shards: .tar files of images, read in any order, so that a run resumes exactly.

The package webdataset 1.0 reads shards from front to back alone: it no longer brings the module `wids`, which read them
in any order. An index of where each image begins, from Python's `tarfile`, is all that this takes.
"""

import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from srgan_kit.data.image_files import ImageFiles, read_encoded
from srgan_kit.errors import UserError
from srgan_kit.images.formats import readable_endings

ENDING = ".tar"
END = bytes(1024)
"""The last bytes of a .tar file."""
CLASS_ENDING = "cls"
"""The ending of the file with a sample's class, beside its image."""


@dataclass(frozen=True)
class Member:
    """An image in a shard."""

    shard: int
    """Number of its shard."""
    start: int
    """Its first byte in the shard."""
    size: int
    """Its size in bytes."""
    label: str | None
    """Its class."""


class TarFiles(ImageFiles):
    """The images in shards, in the order in which they lie there; a file `KEY.cls` is the class of `KEY.png`.

    Args:
        root: a .tar file or a folder of them.

    Raises:
        UserError: a shard that is damaged or compressed, or no image in them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.shards = sorted(root.glob(f"*{ENDING}")) if root.is_dir() else [root]
        self.names: list[str] = []
        self._members: list[Member] = []
        for number, shard in enumerate(self.shards):
            for name, member in _members(shard, number):
                self.names.append(f"{shard.name}/{name}" if root.is_dir() else name)
                self._members.append(member)
        if not self.names:
            raise UserError(f"{root}: no image found in its .tar files")

    def stamps(self) -> Sequence[tuple[int, int]]:
        """Size and time of change of each image's shard."""
        stamps = [(found.st_size, found.st_mtime_ns) for found in map(os.stat, self.shards)]
        return [stamps[member.shard] for member in self._members]

    def read(self, number: int) -> np.ndarray:
        """The image in those bytes of its shard."""
        member, name = self._members[number], self.names[number]
        shown = self.root / name
        try:
            with self.shards[member.shard].open("rb") as file:
                file.seek(member.start)
                content = file.read(member.size)
        except OSError as error:
            raise UserError(f"{shown}: cannot be read: {error.strerror}") from None
        return read_encoded(content, name, shown)

    def class_of(self, number: int) -> str | None:
        """What the file `KEY.cls` says."""
        return self._members[number].label


def _members(shard: Path, number: int) -> list[tuple[str, Member]]:
    """The images of a shard by name, each with its place and its sample's class."""
    readable = readable_endings()
    if not _is_whole(shard):
        raise UserError(f"{shard}: expected a .tar file of images (cut off, compressed, or no .tar file)")
    labels: dict[str, str] = {}
    found: list[tuple[str, int, int]] = []
    try:
        with tarfile.open(shard, "r:") as file:
            for entry in file:
                path = PurePosixPath(entry.name)
                if not entry.isreg() or any(part.startswith(".") and part != "." for part in path.parts):
                    continue
                if path.suffix.lower() in readable:
                    found.append((str(path), entry.offset_data, entry.size))
                elif path.name.partition(".")[2] == CLASS_ENDING:
                    content = file.extractfile(entry)
                    assert content is not None  # it is a regular file
                    labels[_key(path)] = content.read().decode(errors="replace").strip()
    except (tarfile.TarError, OSError) as error:
        raise UserError(f"{shard}: expected a .tar file of images ({_line(error)})") from None
    return [(name, Member(number, start, size, labels.get(_key(PurePosixPath(name))))) for name, start, size in found]


def _is_whole(shard: Path) -> bool:
    """Whether the file ends as .tar files do; `tarfile` takes one that is cut off for a shorter one."""
    try:
        with shard.open("rb") as file:
            file.seek(-min(len(END), shard.stat().st_size), os.SEEK_END)
            return file.read() == END
    except OSError as error:
        raise UserError(f"{shard}: cannot be read ({error.strerror})") from None


def _key(path: PurePosixPath) -> str:
    """What the files of one sample have in common: the path up to the first point of the name."""
    return str(path.with_name(path.name.partition(".")[0]))


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
