"""What runs a network on one tile: all that the engine knows of PyTorch, onnxruntime and their devices."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from srgan_kit.models.field import Field


class OutOfMemoryError(Exception):
    """A runner's device has no memory for a tile."""


class Model(Protocol):
    """What the engine has to know of a model."""

    @property
    def name(self) -> str: ...
    @property
    def scale(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def multiple_of(self) -> int: ...
    @property
    def minimum(self) -> int: ...
    @property
    def border(self) -> int: ...


class TileRunner(Protocol):
    """A network on a device."""

    @property
    def model(self) -> Model:
        """Its scale and what it needs."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, such as "cpu" or "cuda:1"."""
        ...

    @property
    def precision(self) -> str:
        """What it computes in, such as "float32"."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What is not done as asked, whatever the image."""
        ...

    @property
    def field(self) -> Field:
        """What tiles must respect; perhaps measured when first asked for."""
        ...

    @property
    def minimum(self) -> int:
        """Smallest side that the network accepts; perhaps measured when first asked for."""
        ...

    @property
    def tile(self) -> int:
        """Side of a tile that suits the network; perhaps measured when first asked for."""
        ...

    def run(self, tile: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, bool]:
        """The network's output for (h, w, C) float32 in [0, 1], (h * scale, w * scale, C), and whether it was computed
        again because it was not finite in reduced precision.

        Float32, nominally [0, 1]; or, on a device from which fewer bytes are sooner here, rounded to the `wanted`
        integers already.

        Raises:
            OutOfMemoryError: no memory for a tile of that size.
            UserError: NaN or infinity even in fp32.
        """
        ...
