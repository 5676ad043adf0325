"""Training images by number: checked once, their sizes known at the start, kept in memory where they fit."""

import copy
import os
import sqlite3
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import get_worker_info

from srgan_kit.data.image_files import ImageFiles
from srgan_kit.data.image_folder import Skipped, match_names
from srgan_kit.data.image_index import ImageIndex, Known
from srgan_kit.errors import UserError
from srgan_kit.images.pixels import planes

THREADS = 4
"""At least so many decode at the start, and one for each core."""
REPORT_EVERY = 10.0
"""Seconds of decoding after which what was found so far is kept, and said."""


@dataclass
class Memory:
    """Decoded images that are kept, and the bytes that more of them may take."""

    room: int
    images: dict[tuple[float, ...], Tensor] = field(default_factory=dict)

    def offer(self, key: tuple[float, ...], image: Tensor) -> None:
        """Keep an image, if there is room; each worker of a data loader has its part of it."""
        worker = get_worker_info()
        parts = 1 if worker is None else worker.num_workers
        if image.nbytes * parts <= self.room:
            self.room -= image.nbytes * parts
            self.images[key] = image

    def __getstate__(self) -> dict[str, object]:
        """For a process that shares no memory with this one: as much room, and nothing in it yet."""
        return {"room": self.room + sum(image.nbytes for image in self.images.values()), "images": {}}


class ImageSet:
    """The usable images of one or more sources. Those beyond the memory's size are decoded at each request.

    Every image is decoded once, to see that it can be. Where not all fit into the memory, what was found is kept in an
    `ImageIndex`, and the next set of these sources decodes an image when it is first asked for.

    Args:
        sources: where the images are.
        cache_megabytes: how much memory decoded images may take.
        minimum: smallest height and width accepted, in pixels.
        channels: 3 for RGB, 1 for grey.
        index_folder: where the index is; None for none.

    Raises:
        UserError: not one image of a source is usable.
    """

    def __init__(
        self,
        sources: Sequence[ImageFiles],
        cache_megabytes: int,
        minimum: int = 1,
        channels: int = 3,
        index_folder: Path | None = None,
    ) -> None:
        self.sources, self.channels = list(sources), channels
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []
        self._memory = Memory(cache_megabytes * 1_000_000)
        places: list[tuple[int, int]] = []
        about: list[Known] = []
        for number, source in enumerate(self.sources):
            before = len(places)
            for image, known in enumerate(self._looked_at(number, index_folder)):
                if isinstance(known, str):
                    reason = known
                elif min(known.height, known.width) < minimum:
                    reason = f"{known.width}x{known.height} pixels, smaller than {minimum}x{minimum}"
                else:
                    places.append((number, image))
                    about.append(known)
                    continue
                self.skipped.append(Skipped(source.root / source.names[image], reason))
            if len(places) == before:
                first = self.skipped[-len(source.names)]
                example = f"{first.path}: {first.reason}"
                raise UserError(f"{source.root}: no usable image among {len(source.names)} ({example})")
        self.places = np.array(places, dtype=np.int64)
        """(N, 2): of each image the number of its source, and its number there."""
        self._about = np.array(about, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Tensor:
        """(channels, H, W) uint8, or uint16 where the file has more than 8 bits.

        Raises:
            UserError: the file is no longer what it was.
        """
        source, image = key = (int(self.places[index, 0]), int(self.places[index, 1]))
        kept = self._memory.images.get(key)
        if kept is not None:
            return kept
        decoded = planes(self.sources[source].read(image), self.channels)
        if decoded.shape[1:] != tuple(self._about[index, :2]):
            height, width = self._about[index, :2]
            got = f"{decoded.shape[2]}x{decoded.shape[1]}"
            raise UserError(f"{self.path(index)}: expected {width}x{height} pixels, as at the start, got {got}")
        self._memory.offer(key, decoded)
        return decoded

    def made_of(self, index: int, how: float, make: Callable[[Tensor], Tensor]) -> Tensor:
        """What `make` makes of an image by the number `how`; kept beside the images, where there is room."""
        source, image = self.places[index].tolist()
        kept = self._memory.images.get(key := (source, image, how))
        if kept is None:
            kept = make(self[index])
            self._memory.offer(key, kept)
        return kept

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2) int64: height and width of each image."""
        return self._about[:, :2]

    @property
    def deep(self) -> bool:
        """Whether one of the images has more than 8 bits a channel."""
        return bool((self._about[:, 2] > 8).any())

    @property
    def source_of(self) -> np.ndarray:
        """(N,) int64: the number of each image's source, rising."""
        return self.places[:, 0]

    def name(self, index: int) -> str:
        """The image's name in its source."""
        source, image = self.places[index]
        return self.sources[source].names[image]

    def path(self, index: int) -> Path:
        """The image's name as the user knows it."""
        return self.sources[self.places[index, 0]].root / self.name(index)

    def class_of(self, index: int) -> str | None:
        """The name of the image's class; None where it has none."""
        source, image = self.places[index]
        return self.sources[source].class_of(int(image))

    def lines(self) -> Iterator[str]:
        """A line for each image, which together say what samples are drawn from."""
        for index, (source, _) in enumerate(self.places):
            height, width, bits = map(int, self._about[index])
            start = f"{source} " if len(self.sources) > 1 else ""
            yield f"{start}{self.name(index)} ({height}, {width})" + (f" {bits} bits" if bits > 8 else "")

    def only(self, indices: Sequence[int]) -> "ImageSet":
        """Some of these images, in that order; what is in memory is shared."""
        part = copy.copy(self)
        which = np.array(indices, dtype=np.int64)
        part.places, part._about = self.places[which], self._about[which]
        part.skipped, part.notes = [], []
        return part

    @property
    def cached(self) -> int:
        """How many of the images are in memory."""
        return sum((source, image) in self._memory.images for source, image in self.places.tolist())

    def _looked_at(self, number: int, index_folder: Path | None) -> list[Known | str]:
        """What is known of each image of a source, by the index or by decoding it now, or why it cannot be read."""
        source = self.sources[number]
        notebook = Notebook(source, index_folder)
        looked_at: list[Known | str] = [each or "" for each in notebook.known]
        new = [image for image, known in enumerate(notebook.known) if known is None]
        for image, decoded in zip(new, _decoded(source, new, self.channels), strict=True):
            if isinstance(decoded, str):
                looked_at[image] = decoded
                continue
            looked_at[image] = known = Known(decoded.shape[1], decoded.shape[2], 8 * decoded.element_size())
            self._memory.offer((number, image), decoded)
            notebook.wanted |= (number, image) not in self._memory.images
            notebook.add(image, known)
        notebook.save()
        self.notes += notebook.notes
        return looked_at


def find_partners_of(high: ImageSet, low: ImageSet, scale: int) -> list[int]:
    """The number of each image's partner in `low`, which has as many sources: see `find_partners`.

    Raises:
        UserError: an image has none, or one that cannot be read.
    """
    number_of = [match_names(source.names, scale) for source in low.sources]
    usable = {place: index for index, place in enumerate(map(tuple, low.places.tolist()))}
    reasons = {each.path: each.reason for each in low.skipped}
    partners: list[int] = []
    for index, source in enumerate(high.source_of.tolist()):
        try:
            partner = number_of[source](high.name(index))
        except LookupError as error:
            where = low.sources[source].root
            raise UserError(f"{high.path(index)}: no partner in {where}; {error.args[0]}") from None
        if (source, partner) not in usable:
            path = low.sources[source].root / low.sources[source].names[partner]
            raise UserError(f"{path}: {reasons[path]}")
        partners.append(usable[source, partner])
    return partners


class Notebook:
    """What is known of a source's images, read from its index, and written there once it is wanted.

    Args:
        source: the source.
        folder: where the index is; None for none.
    """

    def __init__(self, source: ImageFiles, folder: Path | None) -> None:
        self.source = source
        self.known: list[Known | None] = [None] * len(source.names)
        self.notes: list[str] = []
        self.wanted = False
        """Whether there is more than fits into the memory, or an index already."""
        self._index = None if folder is None else ImageIndex(source, folder)
        self._found: list[tuple[int, Known]] = []
        self._last = time.monotonic()
        if self._index is not None and self._index.path.is_file():
            self.wanted = True
            try:
                self.known = self._index.load()
            except (OSError, sqlite3.Error) as error:
                self._give_up(f"cannot be read ({error})")

    def add(self, image: int, found: Known) -> None:
        """Take down what was found of an image."""
        self._found.append((image, found))
        if time.monotonic() - self._last > REPORT_EVERY:
            self._last = time.monotonic()
            images = len(self.source.names)
            print(f"{self.source.root}: {image + 1:,} of {images:,} images decoded", file=sys.stderr, flush=True)
            self.save()

    def save(self) -> None:
        """Write what is not written yet."""
        if self._index is None or not (self.wanted and self._found):
            return
        try:
            self._index.save(self._found)
            self._found = []
        except (OSError, sqlite3.Error) as error:
            self._give_up(f"cannot be written ({error})")

    def _give_up(self, reason: str) -> None:
        assert self._index is not None
        self.notes.append(f"{self._index.path}: {reason}: {self.source.root} is decoded at each start")
        self._index = None


def _decoded(source: ImageFiles, numbers: Sequence[int], channels: int) -> Iterator[Tensor | str]:
    """Images in order, or why there is none, decoded a few at a time by threads."""

    def read(number: int) -> Tensor | str:
        try:
            return planes(source.read(number), channels)
        except UserError as error:
            return str(error).removeprefix(f"{source.root / source.names[number]}: ")

    threads = max(THREADS, os.cpu_count() or 1)
    group = 4 * threads  # no more than this many images wait for their place in the memory
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(threads) as pool:  # of large images
        for start in range(0, len(numbers), group):
            yield from pool.map(read, numbers[start : start + group])
