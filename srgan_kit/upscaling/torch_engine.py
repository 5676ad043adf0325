"""The engine's tiles by PyTorch: a network on a CPU or an accelerator, or a copy of it on each of several."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from srgan_kit.devices import autocast, pick_devices, pick_precision
from srgan_kit.errors import UserError
from srgan_kit.models.field import Field
from srgan_kit.models.receptive_field import automatic_tile, measure_field, smallest_side
from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.engine import TiledUpscaler
from srgan_kit.upscaling.runner import OutOfMemoryError

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate")
"""What the plain RuntimeError of a CPU or MPS allocation that failed says; only cuda has a type for it."""


def torch_upscaler(
    model: UpscalingModel, device: str = "auto", precision: str = "auto", tile: int | None = None
) -> TiledUpscaler:
    """A model in PyTorch, ready for any number of images.

    Args:
        model: the network and its needs; it is copied, so the caller's stays where it is.
        device: auto, cpu, cuda (all of them; cuda:1 is one) or mps.
        precision: auto, fp32, bf16 or fp16.
        tile: side of a tile in input pixels without its halo; None chooses one.

    Raises:
        UserError: no such device or precision, tile < 1.
    """
    return TiledUpscaler([TorchRunner(model, each, precision) for each in pick_devices(device)], tile)


class TorchRunner:
    """A copy of a network on one device.

    Raises:
        UserError: no such precision.
    """

    def __init__(self, model: UpscalingModel, device: torch.device, precision: str = "auto") -> None:
        self.model = model
        self.device = str(device)
        self._field: Field | None = None
        self._minimum: int | None = None
        self._tile: int | None = None
        self.notes: list[str] = []
        self._device, self._dtype = device, pick_precision(precision, device)
        if not model.supports(self._dtype):
            fails = f"{model.architecture} does not work in {self.precision}"
            self.notes.append(f"model {model.name}: {fails}; fp32 is used")
            self._dtype = torch.float32
        self._network: nn.Module = copy.deepcopy(model.network)
        self._network.to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def precision(self) -> str:
        """The name of the type that it computes in."""
        return str(self._dtype).removeprefix("torch.")

    @property
    def field(self) -> Field:
        """What tiles must respect; measured when first needed."""
        if self._field is None:
            model = self.model
            self._field = measure_field(model.network, model.scale, model.channels, model.multiple_of, self.minimum)
        return self._field

    @property
    def minimum(self) -> int:
        """Smallest side that the network accepts; measured when first needed."""
        if self._minimum is None:
            model = self.model
            self._minimum = smallest_side(model.network, model.scale, model.channels, model.multiple_of, model.minimum)
        return self._minimum

    @property
    def tile(self) -> int:
        """Side of a tile whose layers are not too large; measured when first needed."""
        if self._tile is None:
            self._tile = automatic_tile(self.model)
        return self._tile

    @torch.inference_mode()
    def run(self, tile: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, bool]:
        """As `TileRunner.run`; integers from an accelerator, where the network's output is rounded at once."""
        with _out_of_memory():
            image = torch.from_numpy(tile).to(self._device).permute(2, 0, 1)[None]  # channels last
            output, is_redone = self._finite(image.contiguous(memory_format=torch.channels_last))
            output = output[0].permute(1, 2, 0)
            if self._device.type != "cpu" and np.issubdtype(wanted, np.integer):  # fewer bytes to bring over
                peak = np.iinfo(wanted).max
                output = torch.add(output.new_tensor(0.5), output, alpha=peak).clamp_(0, peak)
                output = output.to(torch.uint8 if wanted == np.uint8 else torch.int32)
                return output.cpu().numpy().astype(wanted, copy=False), is_redone
            return output.cpu().numpy(), is_redone

    def _finite(self, image: Tensor) -> tuple[Tensor, bool]:
        """The network's output in fp32, and whether it was computed again."""
        with autocast(self._device, self._dtype):
            output = self._network(image)
        if _is_finite(output):
            return output.float(), False
        if self._dtype != torch.float32:
            with autocast(self._device, torch.float32):
                output = self._network(image)
            if _is_finite(output):
                return output.float(), True
        raise UserError(f"model {self.model.name} gave NaN or infinity in fp32")


@contextmanager
def _out_of_memory() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or any(text in str(error).lower() for text in OUT_OF_MEMORY):
            raise OutOfMemoryError from None
        raise


def _is_finite(values: Tensor) -> bool:
    return math.isfinite(values.sum(dtype=torch.float32).item())  # one pass: NaN and infinity survive a sum
