"""`Upscaler`: images of any size upscaled by one model, or by the pretrained model that suits each of them."""

from pathlib import Path
from typing import overload

import numpy as np
import torch

from srgan_kit.errors import UserError
from srgan_kit.images.image import LoadedImage
from srgan_kit.models.pretrained import AUTO
from srgan_kit.models.super_resolution import UpscalingModel, load_model
from srgan_kit.upscaling.auto import Choice, choose, clean_model
from srgan_kit.upscaling.engine import Image, Progress, TiledUpscaler, check_pixels
from srgan_kit.upscaling.evidence import Evidence, evidence, of_file
from srgan_kit.upscaling.image import UpscaledImage, fill_hidden, scaled_size, upscale_image
from srgan_kit.upscaling.self_ensemble import ensembled

AUTO_SCALE = 4
"""The scale of `auto` where none is asked for."""
LARGEST_SCALE = 64


def evidence_of(image: LoadedImage) -> Evidence:
    """What is known of an image and of its file; what is hidden by transparency does not count."""
    seen = image.pixels if image.alpha is None else fill_hidden(image.pixels, image.alpha)
    return evidence(seen, *(of_file(image.path) if image.path is not None else (None, None)))


class Upscaler:
    """Upscales any number of images; models are loaded when they are first needed.

    Attributes:
        model: the loaded model; None with "auto".
        scale: of the results.
        device: where models run.
        dtype: the precision they run in.
        is_ensemble: whether results are means over the eight symmetries.

    Args:
        model: "auto" for the pretrained model that suits each image, or a pretrained model's name, a model file, or a
            loaded model.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32, bf16 or fp16.
        tile: side of a tile in input pixels without its halo; None chooses one.
        scale: of the results, at most 64; None for the model's own, with "auto" 4.
        fast: whether "auto" takes the faster model for clean images.
        ensemble: whether each result is the mean over the eight symmetries of the square.

    Raises:
        UserError: no such model, device or precision, tile < 1, another scale.
    """

    def __init__(
        self,
        model: str | Path | UpscalingModel = AUTO,
        device: str = "auto",
        precision: str = "auto",
        tile: int | None = None,
        *,
        scale: float | None = None,
        fast: bool = False,
        ensemble: bool = False,
    ) -> None:
        if scale is not None and not 0 < scale <= LARGEST_SCALE:
            raise UserError(f"scale: expected more than 0 and at most {LARGEST_SCALE}, got {scale:g}")
        is_auto = model == AUTO
        self._settings, self._fast, self._ensemble = (device, precision, tile), fast, ensemble
        self._ready: dict[str, TiledUpscaler] = {}
        # Also where it may not be used: a wrong device is an error before any work.
        first = self._prepare(clean_model(scale, fast) if is_auto else model)
        self.is_ensemble = ensemble
        self.model = None if is_auto else first.model
        self.device: torch.device = first.device
        self.dtype: torch.dtype = first.dtype
        self.scale: float = scale if scale is not None else AUTO_SCALE if is_auto else first.scale

    @overload
    def upscale(self, image: LoadedImage, progress: Progress | None = None) -> LoadedImage: ...
    @overload
    def upscale(self, image: Image, progress: Progress | None = None) -> Image: ...
    def upscale(self, image: LoadedImage | Image, progress: Progress | None = None) -> LoadedImage | Image:
        """An image `scale` times as large: of an array (H, W, 1 or 3), uint8 or uint16, an array of the same type.

        Of what `read_image` gives, colours, transparency and metadata are kept, and `notes` names what was not done as
        asked. `progress` is called with (tiles done, tiles in all).

        Raises:
            UserError: an array of another kind, an image that is too large, no memory, NaN or infinity.
        """
        if isinstance(image, np.ndarray):
            check_pixels(image)
            return self.upscale(LoadedImage(image), progress).pixels
        return self.upscale_to(image, scaled_size(image.size, self.scale), self.model_for(image), progress).image

    def model_for(self, image: LoadedImage | Image, factor: float | None = None) -> Choice:
        """The name of the model that upscales an image, and the reason where it was chosen for this image.

        Args:
            image: as for `upscale`. Of an image that was read the file counts too: how strongly JPEG compressed it.
            factor: how much larger the result is to be; None for `scale`.
        """
        if self.model is not None:
            return Choice(self.model.name, "")
        loaded = LoadedImage(image) if isinstance(image, np.ndarray) else image
        return choose(evidence_of(loaded), self.scale if factor is None else factor, self._fast)

    def upscale_to(
        self,
        image: LoadedImage,
        size: tuple[int, int],
        choice: Choice,
        progress: Progress | None = None,
        *,
        consistent: bool = False,
    ) -> UpscaledImage:
        """The image at `size` (width, height), by the model that `model_for` chose; as `upscale_image`."""
        return upscale_image(self._prepare(choice.model), image, size, progress, consistent=consistent)

    def _prepare(self, model: str | Path | UpscalingModel) -> TiledUpscaler:
        name = model.name if isinstance(model, UpscalingModel) else str(model)
        if name not in self._ready:
            loaded = model if isinstance(model, UpscalingModel) else load_model(model)
            self._ready[loaded.name] = self._ready[name] = self._tiled(ensembled(loaded) if self._ensemble else loaded)
        return self._ready[name]

    def _tiled(self, model: UpscalingModel) -> TiledUpscaler:
        """What runs a model; engines differ in it."""
        return TiledUpscaler(model, *self._settings)
