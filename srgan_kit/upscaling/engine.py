"""Running a network over an image of any size: tile by tile, with image and result in host memory only.

A `TileRunner` runs the network, in PyTorch (`torch_engine.py`) or onnxruntime (`onnx_engine.py`); all else is here.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from queue import SimpleQueue

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.images.bicubic import inside
from srgan_kit.images.rows import Rows
from srgan_kit.models.field import LAYER_BYTES, SMALLEST_TILE, Field, round_up
from srgan_kit.upscaling.allocation import kept_memory
from srgan_kit.upscaling.image_runner import Image, Progress, Tally, Upscaled, check_pixels
from srgan_kit.upscaling.runner import OutOfMemoryError, TileRunner
from srgan_kit.upscaling.tiling import Span, plan

Task = Callable[[TileRunner], bool]
"""A tile's work: whether it was computed again."""

LAYERS_ALIVE = 4
"""How many times as much the layers of a tile take at once: what is still to be added, copies, and gaps between."""
SURELY_ACCEPTED = 64
"""Networks are taken to accept images of this many pixels a side without asking."""
UNKEPT = 256**2
"""Up to so many pixels a network's layers are small enough that memory is kept anyway."""
ROWS_AT_ONCE = 32
"""Output rows converted to integers together: few enough to stay in the cache."""
MOST_ROWS = 2
"""Rows of tiles that several devices work on at a time."""


class TiledUpscaler:
    """A model on one device or several alike, ready for any number of images, from any number of threads.

    Args:
        runners: the same network on each device; tiles are spread over them.
        tile: side of a tile in input pixels without its halo; None chooses one.

    Raises:
        UserError: tile < 1.
    """

    def __init__(self, runners: Sequence[TileRunner], tile: int | None = None) -> None:
        if tile is not None and tile < 1:
            raise UserError(f"tile: expected at least 1 pixel, got {tile}")
        self._runners = runners
        self.runner = runners[0]
        self.model = self.runner.model
        self._tile = tile
        self._tile_is_automatic = tile is None
        self._notes = [*self.runner.notes]  # what the next result is to say
        self._lock = threading.RLock()  # of the notes, and of what is measured once

    @property
    def scale(self) -> int:
        """The network's upscaling factor."""
        return self.model.scale

    @property
    def device(self) -> str:
        """Where tiles are computed, such as "cpu" or "cuda:0, cuda:1"."""
        return ", ".join(dict.fromkeys(runner.device for runner in self._runners))

    @property
    def precision(self) -> str:
        """What they are computed in, such as "float32"."""
        return self.runner.precision

    @property
    def tile(self) -> int:
        """Side of a tile in input pixels, without its halo."""
        if self._tile is None:
            self._tile = self.runner.tile
        return self._tile

    @cached_property
    def field(self) -> Field:
        """What tiles must respect."""
        found = self.runner.field
        if not found.exact:
            self._notes.append(
                f"model {self.model.name}: its receptive field is unlimited or too large for exact tiles; tiles are "
                f"read with {found.halo} pixels around them and may differ slightly from the whole image"
            )
        return found

    def pixels_read(self, height: int, width: int) -> int:
        """How many pixels the network sees for an input of this size: with its border, and halos over and over."""
        return sum(self._tile_areas(height, width))

    def tile_bytes(self, height: int, width: int) -> int:
        """About what the layers of the largest tile take for an input of this size, in fp32."""
        return round(LAYERS_ALIVE * LAYER_BYTES * max(self._tile_areas(height, width)) / self.runner.tile**2)

    def _tile_areas(self, height: int, width: int) -> list[int]:
        border = 2 * self.model.border
        plans = self._plan(height + border, width + border)
        rows, columns = ([span.read[1] - span.read[0] for span in spans] for spans in plans)
        return [row * column for row in rows for column in columns]

    def warm_up(self) -> None:
        """Find the tile and the field now, not while the first image that needs them is upscaled."""
        _ = self.tile, self.field

    def upscale(self, image: Image, progress: Progress | None = None) -> Image:
        """The pixels of `run` alone: (H, W, C) -> (H * scale, W * scale, C)."""
        return self.run(image, progress).pixels

    def run(self, image: Image, progress: Progress | None = None) -> Upscaled:
        """(H, W, C) uint8 or uint16, C = 1 or 3 -> (H * scale, W * scale, C) of the same type.

        Whatever the tile, the result is that of the whole image, within 1e-5 before rounding in fp32; where the
        network's receptive field is too large for exact tiles, a note says so. The image is first padded by the model's
        border, mirrored. A grey image goes through a colour network three times over and its results are averaged; a
        colour image goes through a grey network one channel at a time.

        Raises:
            UserError: an array of another kind; NaN or infinity even in fp32; no memory for the smallest tile.
        """
        check_pixels(image)
        height, width, channels = image.shape
        result, place = np.empty((height * self.scale, width * self.scale, channels), image.dtype), 0
        tally = Tally()
        for band in self.bands(image, tally, progress, result):
            place += len(band)
        assert place == len(result)
        return Upscaled(result, tuple(tally.notes), tally.redone_tiles)

    def bands(
        self, image: Rows, tally: Tally, progress: Progress | None = None, result: Image | None = None
    ) -> Iterator[Image]:
        """The result of `run` in parts, each of a row of tiles, from the top to the bottom; in `result`, if given.

        The image's rows are read from the top to the bottom. Where there is no memory for a tile, the rest is done in
        smaller ones.

        Raises:
            UserError: as `run`.
        """
        height, width, _ = image.shape
        made = 0
        with kept_memory() if height * width > UNKEPT else nullcontext():
            while made < height * self.scale:
                try:
                    for band in self._rows_of_tiles(image, made, tally, progress, result):
                        made += len(band)
                        yield band
                except OutOfMemoryError:
                    tally.notes.append(self._use_smaller_tiles())
        with self._lock:
            tally.notes += self._notes
            self._notes = []

    def _rows_of_tiles(
        self, image: Rows, made: int, tally: Tally, progress: Progress | None, result: Image | None
    ) -> Iterator[Image]:
        """`bands` without those rows that are made already."""
        height, width, channels = image.shape
        border = self.model.border
        rows, columns = self._plan(height + 2 * border, width + 2 * border)
        waiting: deque[tuple[Image, list[Callable[[], bool]]]] = deque()
        done = 0

        def finished() -> Image:
            nonlocal done
            band, tiles = waiting.popleft()
            for is_redone in tiles:
                tally.redone_tiles += is_redone()
                done += 1
                if progress is not None:
                    progress(done, len(rows) * len(columns))
            return band

        with _spread(self._runners) as start:
            for row in rows:
                place, within = self._places(row, height)
                if place.stop <= made:
                    done += len(columns)
                    continue
                shape = (place.stop - place.start, width * self.scale, channels)
                band = np.empty(shape, image.dtype) if result is None else result[place]
                strip = self._strip(image, row)
                tiles = []
                for column in columns:
                    across, core = self._places(column, width)
                    part = strip[:, slice(*column.read)]
                    tiles.append(start(partial(self._upscale_tile, part, (within, core), band[:, across])))
                waiting.append((band[max(made - place.start, 0) :], tiles))
                if len(waiting) == min(len(self._runners), MOST_ROWS):
                    yield finished()
            while waiting:
                yield finished()

    def _plan(self, height: int, width: int) -> tuple[list[Span], list[Span]]:
        with self._lock:  # whichever thread comes first measures for all
            if self._is_one_tile(max(height, width)):  # no need to measure the field
                return [Span((0, height), (0, height))], [Span((0, width), (0, width))]
            return plan(height, self.tile, self.field), plan(width, self.tile, self.field)

    def _is_one_tile(self, side: int) -> bool:
        smallest = SMALLEST_TILE if self._tile is None else self._tile
        return side <= smallest or side <= self.tile  # choosing a tile costs as much as a small image

    def _use_smaller_tiles(self) -> str:
        """From now on tiles of half the side; what a result is to say of it."""
        with self._lock:
            tile = self._tile or SMALLEST_TILE  # not chosen yet for a small image
            if not self._tile_is_automatic or tile <= SMALLEST_TILE:
                raise UserError(f"{self.device}: out of memory with tiles of {tile} pixels") from None
            self._tile = tile // 2
            return f"{self.device}: out of memory, tiles are now {self._tile} pixels"

    def _strip(self, image: Rows, rows: Span) -> np.ndarray:
        """What a row of tiles reads of an image that is continued by the model's border, mirrored."""
        border = self.model.border
        wanted = inside(np.arange(rows.read[0], rows.read[1]) - border, image.shape[0])
        first = int(wanted.min())
        strip = image[first : int(wanted.max()) + 1]
        return np.pad(strip[wanted - first], ((0, 0), (border, border), (0, 0)), "symmetric") if border else strip

    def _places(self, span: Span, length: int) -> tuple[slice, slice]:
        """Where a tile's core lies along an axis of the result, which has no border, and of the network's output."""
        cut = self.model.border * self.scale
        start, stop = (min(max(edge * self.scale - cut, 0), length * self.scale) for edge in span.core)
        offset = cut - span.read[0] * self.scale
        return slice(start, stop), slice(start + offset, stop + offset)

    def _upscale_tile(self, part: Image, core: tuple[slice, slice], target: Image, runner: TileRunner) -> bool:
        """Compute what a tile reads, and store its core in its place in the result; whether it was computed again."""
        height, width, channels = part.shape
        with self._lock:
            minimum = self.model.minimum if min(height, width) >= SURELY_ACCEPTED else self.runner.minimum
        image = part.astype(np.float32) / np.float32(np.iinfo(part.dtype).max)
        below, right = (round_up(max(side, minimum), self.model.multiple_of) - side for side in (height, width))
        if below or right:
            image = np.pad(image, ((0, below), (0, right), (0, 0)), "edge")
        if channels == self.model.channels:
            values, is_redone = runner.run(image, part.dtype)
        elif channels == 1:
            values, is_redone = runner.run(image.repeat(self.model.channels, axis=2), image.dtype)
            values = values.mean(axis=2, keepdims=True)
        else:
            answers = [runner.run(image[:, :, channel, None], part.dtype) for channel in range(channels)]
            values = np.concatenate([answer for answer, _ in answers], axis=2)
            is_redone = any(redone for _, redone in answers)
        store(values[core], target)
        return is_redone


def store(values: np.ndarray, target: Image) -> None:
    """Write (h, w, C), nominally [0, 1] or integers already, into integers: clamped, rounded, a few rows at a time."""
    if values.dtype == target.dtype:
        target[:] = values
        return
    peak, half = np.float32(np.iinfo(target.dtype).max), np.float32(0.5)
    for start in range(0, len(target), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        rounded = values[rows] * peak
        rounded += half
        target[rows] = np.clip(rounded, 0, peak, out=rounded)


@contextmanager
def _spread(runners: Sequence[TileRunner]) -> Iterator[Callable[[Task], Callable[[], bool]]]:
    """start(task) gives what waits for its result. One runner works in this thread, several in one each."""
    if len(runners) == 1:
        yield lambda task: partial(task, runners[0])
        return
    free: SimpleQueue[TileRunner] = SimpleQueue()
    for runner in runners:
        free.put(runner)

    def on_a_free_one(task: Task) -> bool:
        runner = free.get()
        try:
            return task(runner)
        finally:
            free.put(runner)

    pool = ThreadPoolExecutor(len(runners))
    try:
        yield lambda task: pool.submit(on_a_free_one, task).result
    finally:
        pool.shutdown(cancel_futures=True)
