"""Running a network over an image of any size: tile by tile, with image and result in host memory only."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from srgan_kit.devices import autocast, pick_device, pick_precision
from srgan_kit.errors import UserError
from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.allocation import kept_memory
from srgan_kit.upscaling.tiling import LIMITED_HALO, Field, Span, measure_field, pad_to_fit, smallest_side, tiles

Image = np.ndarray
"""(H, W, C) uint8 or uint16, C = 1 (grey) or 3 (RGB)."""
Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""

SMALLEST_TILE, LARGEST_TILE = 64, 512
"""Automatic tiles: below, halos dominate; above, nothing is gained and memory grows."""
LAYER_BYTES = 200e6
"""Automatic tiles are chosen so that the widest layer's input and output take no more than this in fp32."""
SURELY_ACCEPTED = 64
"""Networks are taken to accept images of this many pixels a side without asking."""
UNKEPT = 256**2
"""Up to so many pixels a network's layers are small enough that memory is kept anyway."""
ROWS_AT_ONCE = 32
"""Output rows converted to integers together: few enough to stay in the cache."""
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate")
"""What the plain RuntimeError of a CPU or MPS allocation that failed says; only cuda has a type for it."""


@dataclass(frozen=True)
class Upscaled:
    """An upscaled image."""

    pixels: Image
    notes: tuple[str, ...] = ()
    """What was not done as asked, each said once: tiles that only approximate, smaller tiles for want of memory, fp32
    where the architecture fails in less."""
    redone_tiles: int = 0
    """Tiles that gave NaN or infinity in reduced precision and were computed again in fp32."""


def check_pixels(image: Image) -> None:
    """Raise a UserError unless an array is an image: (H, W, 1 or 3) of uint8 or uint16, with at least one pixel."""
    if image.ndim != 3 or image.shape[2] not in (1, 3) or image.dtype not in (np.uint8, np.uint16) or 0 in image.shape:
        kind = f"{image.shape} {image.dtype}"
        raise UserError(f"image: expected (height, width, 1 or 3) of uint8 or uint16, got {kind}")


class TiledUpscaler:
    """A model on a device, ready for any number of images.

    Args:
        model: the network and its needs; it is copied, so the caller's stays where it is.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32, bf16 or fp16.
        tile: side of a tile in input pixels without its halo; None chooses one.

    Raises:
        UserError: no such device or precision, tile < 1.
    """

    def __init__(
        self, model: UpscalingModel, device: str = "auto", precision: str = "auto", tile: int | None = None
    ) -> None:
        if tile is not None and tile < 1:
            raise UserError(f"tile: expected at least 1 pixel, got {tile}")
        self.model = model
        self.device = pick_device(device)
        self.dtype = pick_precision(precision, self.device)
        self._notes: list[str] = []  # what the next result is to say
        if not model.supports(self.dtype):
            name = str(self.dtype).removeprefix("torch.")
            self._notes.append(f"model {model.name}: {model.architecture} does not work in {name}; fp32 is used")
            self.dtype = torch.float32
        self._tile = tile
        self._tile_is_automatic = tile is None
        self._network: nn.Module = copy.deepcopy(model.network)
        self._network.to(device=self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def scale(self) -> int:
        """The network's upscaling factor."""
        return self.model.scale

    @property
    def tile(self) -> int:
        """Side of a tile in input pixels, without its halo."""
        if self._tile is None:
            self._tile = _automatic_tile(self.model)
        return self._tile

    @cached_property
    def field(self) -> Field:
        """What tiles must respect; measured when first needed."""
        model = self.model
        field = measure_field(model.network, model.scale, model.channels, model.multiple_of, self.minimum)
        if not field.exact:
            self._notes.append(
                f"model {model.name}: its receptive field is unlimited or too large for exact tiles; tiles are read "
                f"with {LIMITED_HALO} pixels around them and may differ slightly from the whole image"
            )
        return field

    @cached_property
    def minimum(self) -> int:
        """Smallest side that the network accepts; measured when first needed."""
        model = self.model
        return smallest_side(model.network, model.scale, model.channels, model.multiple_of, model.minimum)

    def warm_up(self) -> None:
        """Measure the tile and the field now, not while the first image that needs them is upscaled."""
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
        while True:
            try:
                pixels, redone = self._upscale(image, progress)
                notes, self._notes = self._notes, []
                return Upscaled(pixels, tuple(notes), redone)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                tile = self._tile or SMALLEST_TILE  # not chosen yet for a small image
                if not self._tile_is_automatic or tile <= SMALLEST_TILE:
                    raise UserError(f"{self.device}: out of memory with tiles of {tile} pixels") from None
                self._tile = tile // 2
                self._notes.append(f"{self.device}: out of memory, tiles are now {self._tile} pixels")

    def _upscale(self, image: Image, progress: Progress | None) -> tuple[Image, int]:
        """The result, and how many tiles were computed again."""
        border = self.model.border
        image = np.pad(image, ((border, border), (border, border), (0, 0)), "symmetric") if border else image
        height, width, channels = image.shape
        result = np.empty((height * self.scale, width * self.scale, channels), image.dtype)
        work, redone = self._plan(height, width), 0
        with kept_memory() if height * width > UNKEPT else nullcontext():
            for done, ((rows, columns), (core, again)) in enumerate(self._cores(image, work), start=1):
                redone += again
                result[_place(rows, self.scale), _place(columns, self.scale)] = core
                if progress is not None:
                    progress(done, len(work))
        cut = border * self.scale
        return result[cut : len(result) - cut, cut : result.shape[1] - cut], redone

    def _cores(
        self, image: Image, work: list[tuple[Span, Span]]
    ) -> Iterator[tuple[tuple[Span, Span], tuple[Image, bool]]]:
        """Each tile, and what `core` makes of it, in any order."""
        for rows, columns in work:
            yield (rows, columns), self.core(image[slice(*rows.read), slice(*columns.read)], rows, columns)

    def core(self, part: Image, rows: Span, columns: Span) -> tuple[Image, bool]:
        """What a tile, read with its halo, adds to the result, and whether it was computed again in fp32."""
        upscaled, again = self._upscale_tile(np.array(part))  # a copy: PyTorch wants it writable
        upscaled = upscaled[..., _within(rows, self.scale), _within(columns, self.scale)]
        pixels = np.empty((*upscaled.shape[2:], part.shape[2]), part.dtype)
        _store(upscaled, pixels)
        return pixels, again

    def _plan(self, height: int, width: int) -> list[tuple[Span, Span]]:
        if self._is_one_tile(max(height, width)):  # no need to measure the field
            return [(Span((0, height), (0, height)), Span((0, width), (0, width)))]
        return list(tiles(height, width, self.tile, self.field))

    def _is_one_tile(self, side: int) -> bool:
        smallest = SMALLEST_TILE if self._tile is None else self._tile
        return side <= smallest or side <= self.tile  # choosing a tile costs as much as a small image

    @torch.inference_mode()
    def _upscale_tile(self, part: Image) -> tuple[Tensor, bool]:
        """(h, w, C) integers -> (1, C, h * scale, w * scale) fp32 on the device, nominally [0, 1]; as `_run`."""
        height, width, channels = part.shape
        raw = torch.from_numpy(part if part.dtype == np.uint8 else part.astype(np.int32)).to(self.device)
        image = raw.permute(2, 0, 1)[None].float().div_(np.iinfo(part.dtype).max)  # (1, C, h, w), channels last
        if channels != self.model.channels:
            image = image.expand(1, 3, height, width) if channels == 1 else image.transpose(0, 1)
        minimum = self.model.minimum if min(height, width) >= SURELY_ACCEPTED else self.minimum
        image = pad_to_fit(image, self.model.multiple_of, minimum).contiguous(memory_format=torch.channels_last)
        output, again = self._run(image)
        output = output[..., : height * self.scale, : width * self.scale]
        if channels != self.model.channels:
            output = output.mean(dim=1, keepdim=True) if channels == 1 else output.transpose(0, 1)
        return output, again

    def _run(self, image: Tensor) -> tuple[Tensor, bool]:
        """The network's output in fp32, and whether it was computed again."""
        with autocast(self.device, self.dtype):
            output = self._network(image)
        if _is_finite(output):
            return output.float(), False
        if self.dtype != torch.float32:
            with autocast(self.device, torch.float32):
                output = self._network(image)
            if _is_finite(output):
                return output.float(), True
        raise UserError(f"model {self.model.name} gave NaN or infinity in fp32")


def _automatic_tile(model: UpscalingModel) -> int:
    """The largest tile whose widest layer stays within LAYER_BYTES, from the layers' sizes in a small probe."""
    side = math.ceil(max(SURELY_ACCEPTED, model.minimum) / model.multiple_of) * model.multiple_of
    widest = 0

    def look(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal widest
        widest = max(widest, sum(t.numel() for t in (*inputs, output) if isinstance(t, Tensor)))

    hooks = [layer.register_forward_hook(look) for layer in model.network.modules()]
    try:
        with torch.inference_mode():
            model.network(torch.zeros(1, model.channels, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    fitting = math.isqrt(int(LAYER_BYTES / (4 * max(widest, 1) / side**2)))
    return min(max(fitting, SMALLEST_TILE), LARGEST_TILE)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error).lower() for text in OUT_OF_MEMORY)


def _is_finite(values: Tensor) -> bool:
    return math.isfinite(values.sum(dtype=torch.float32).item())  # one pass: NaN and infinity survive a sum


def _place(span: Span, scale: int) -> slice:
    return slice(span.core[0] * scale, span.core[1] * scale)


def _within(span: Span, scale: int) -> slice:
    return slice((span.core[0] - span.read[0]) * scale, (span.core[1] - span.read[0]) * scale)


@torch.inference_mode()
def _store(values: Tensor, target: Image) -> None:
    """Write (1, C, h, w) in [0, 1] into an (h, w, C) integer array: clamped and rounded, a few rows at a time."""
    peak = float(np.iinfo(target.dtype).max)
    half = values.new_tensor(0.5)
    pixels, host = values[0].permute(1, 2, 0), torch.from_numpy(target)
    for start in range(0, len(target), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        rounded = torch.add(half, pixels[rows], alpha=peak).clamp_(0, peak)
        if rounded.device.type != "cpu":  # fewer bytes to bring over
            rounded = rounded.to(torch.uint8 if target.dtype == np.uint8 else torch.int32)
        host[rows].copy_(rounded)
