"""`Upscaler`: images of any size upscaled by one model, or by the pretrained models that suit each of them."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from srgan_kit.errors import UserError
from srgan_kit.images.image import LoadedImage
from srgan_kit.models.pretrained import AUTO, pretrained_models
from srgan_kit.upscaling.auto import choose, clean_choice, clean_model
from srgan_kit.upscaling.choice import Choice, Dials
from srgan_kit.upscaling.composite import Chain, Mixed, first_reduced, input_itself, part_of
from srgan_kit.upscaling.engine import TiledUpscaler
from srgan_kit.upscaling.engines import EngineSettings, upscaler_between, upscaler_of
from srgan_kit.upscaling.evidence import Evidence, evidence, of_file
from srgan_kit.upscaling.image import UpscaledImage, scaled_size, upscale_image, upscale_in_parts
from srgan_kit.upscaling.image_runner import ImageRunner, Progress
from srgan_kit.upscaling.python_images import opened
from srgan_kit.upscaling.runner import Model
from srgan_kit.upscaling.sizes import LARGEST_SCALE
from srgan_kit.upscaling.transparency import fill_hidden

if TYPE_CHECKING:
    from srgan_kit.models.super_resolution import UpscalingModel

ImageT = TypeVar("ImageT")
AUTO_SCALE = 4
"""The scale of `auto` where none is asked for."""
_silencing = threading.Lock()  # looking at a file silences warnings, which are the whole process's


def evidence_of(image: LoadedImage) -> Evidence:
    """What is known of an image and of its file; what is hidden by transparency does not count."""
    seen = image.pixels if image.alpha is None else fill_hidden(image.pixels, image.alpha)
    with _silencing:
        said = of_file(image.path) if image.path is not None else (None, None)
    return evidence(seen, *said)


class Upscaler:
    """Upscales any number of images, from any number of threads; models are loaded when they are first needed.

    >>> import numpy as np
    >>> upscaler = Upscaler("x2-fidelity", device="cpu")
    >>> upscaler.upscale(np.zeros((8, 6), np.uint8)).shape
    (16, 12)
    >>> [result.shape for result in upscaler.upscale_all(np.zeros((4, side, 3)) for side in (5, 6))]
    [(8, 10, 3), (8, 12, 3)]

    Attributes:
        model: the loaded model; None with "auto".
        scale: of the results.
        device: where models run, such as "cpu" or "cuda:0, cuda:1".
        precision: what they run in, such as "float32".
        engine: what runs them.
        is_ensemble: whether results are means over the eight symmetries.

    Args:
        model: "auto" for the pretrained model that suits each image, or a pretrained model's name, a model file, or a
            loaded model.
        device: auto, cpu, cuda (all of them; cuda:1 is one) or mps.
        precision: auto, fp32, bf16 or fp16.
        tile: side of a tile in input pixels without its halo; None chooses one.
        scale: of the results, at most 64; None for the model's own, with "auto" 4.
        fast: whether "auto" takes the faster model for clean images.
        ensemble: whether each result is the mean over the eight symmetries of the square.
        dials: how much detail and denoising, instead of what "auto" finds; it chooses the models then.
        engine: "local", PyTorch in this process; "onnx", onnxruntime, which imports no torch; or "ray", a Ray cluster,
            to which several images may be given at once, from threads.

    Raises:
        UserError: no such model, device, precision or engine, tile < 1, another scale, dials beside a model or `fast`.
    """

    def __init__(
        self,
        model: "str | Path | UpscalingModel" = AUTO,
        device: str = "auto",
        precision: str = "auto",
        tile: int | None = None,
        *,
        scale: float | None = None,
        fast: bool = False,
        ensemble: bool = False,
        dials: Dials = Dials(),
        engine: str = "local",
    ) -> None:
        self._settings = EngineSettings(engine, device, precision, tile, ensemble)
        if scale is not None and not 0 < scale <= LARGEST_SCALE:
            raise UserError(f"scale: expected more than 0 and at most {LARGEST_SCALE}, got {scale:g}")
        is_auto = model == AUTO
        if dials and (fast or not is_auto):
            beside = "fast" if is_auto else f"model {model if isinstance(model, str | Path) else model.name}"
            raise UserError(f"{beside}: the dials ({dials}) choose their own models; leave one of them out")
        self.engine, self.is_ensemble = engine, ensemble
        self._fast, self._dials = fast, dials
        self._ready: dict[str, TiledUpscaler] = {}
        self._loading = threading.RLock()
        self.scale: float = scale or AUTO_SCALE
        # Also where it may not be used: a wrong device is an error before any work.
        if is_auto:
            first = self._pretrained(dials.choose(self.scale).model if dials else clean_model(scale, fast))
        elif isinstance(model, str) and model in pretrained_models():
            first = self._pretrained(model)
        else:
            first = upscaler_of(model, self._settings)
        self._own = None if is_auto else first
        self.model: Model | None = None if is_auto else first.model
        self.device, self.precision = first.device, first.precision
        if scale is None and not is_auto:
            self.scale = first.scale

    def upscale(self, image: ImageT, progress: Progress | None = None) -> ImageT:
        """An image `scale` times as large, of the same type.

        Args:
            image: an array (H, W) or (H, W, C) of uint8, uint16 or float in [0, 1]; a Pillow image; a tensor (C, H, W)
                or (N, C, H, W), uint8 or float in [0, 1]; or what `read_image` gives. C is 1 to 4: grey or RGB, and
                then perhaps opacity. Floats are computed with 16 bits.
            progress: called with (parts of the work done, parts in all).

        Returns:
            What was given, larger. Tensors keep their device. Of what `read_image` gives, colours, transparency and
            metadata are kept, and `notes` names what was not done as asked.

        Raises:
            UserError: an image of another kind, one that is too large, no memory, NaN or infinity.
        """
        given = opened(image)
        results: list[LoadedImage] = []
        for number, each in enumerate(given.images):
            size, shown = scaled_size(each.size, self.scale), part_of(progress, number, 1, len(given.images))
            results.append(self.upscale_to(each, size, self.model_for(each), shown).image)
        return given.give_back(results)

    def upscale_all(self, images: Iterable[ImageT]) -> Iterator[ImageT]:
        """The results of `upscale` for images that may be of different types and sizes: each is made when it is asked
        for, and none is held.

        Raises:
            UserError: as `upscale`, when the image comes.
        """
        for image in images:
            yield self.upscale(image)

    def model_for(self, image: object, factor: float | None = None) -> Choice:
        """Which models upscale an image, and the reason where they were chosen for this image.

        Args:
            image: as for `upscale`. Of an image that was read the file counts too: how strongly JPEG compressed it.
            factor: how much larger the result is to be; None for `scale`.
        """
        factor = self.scale if factor is None else factor
        if self.model is not None:
            return Choice(self.model.name)
        if self._dials:
            return self._dials.choose(factor)
        return choose(evidence_of(opened(image).images[0]), factor, self._fast)

    def upscale_to(
        self,
        image: LoadedImage,
        size: tuple[int, int],
        choice: Choice,
        progress: Progress | None = None,
        *,
        consistent: bool = False,
    ) -> UpscaledImage:
        """The image at `size` (width, height), by the models that `model_for` chose; as `upscale_image`."""
        return upscale_image(self.runner(choice), image, size, progress, consistent=consistent)

    def fidelity(
        self, image: LoadedImage, size: tuple[int, int], progress: Progress | None = None
    ) -> tuple[LoadedImage, Choice]:
        """What the fidelity models, which invent nothing, make of the image at `size` (width, height); and which."""
        choice = clean_choice(max(size[0] / image.size[0], size[1] / image.size[1]))
        return upscale_image(self._of(choice), image, size, progress).image, choice

    def runner(self, choice: Choice) -> ImageRunner:
        """What runs the models that `model_for` chose: the model that was asked for, if one was."""
        return self._of(choice) if self._own is None else self._own

    def _of(self, choice: Choice) -> ImageRunner:
        """What runs the pretrained models of a choice."""
        runner = self._base(choice)
        if choice.perceptual is not None:
            sees = first_reduced if choice.perceptual_sees == "base" else input_itself
            runner = Mixed(runner, self._pretrained(choice.perceptual.model), choice.perceptual.fraction, sees)
        for model in choice.further:
            runner = Chain(runner, self._pretrained(model))
        return runner

    def _base(self, choice: Choice) -> ImageRunner:
        """The first model; between it and the photo model, a model of interpolated weights, or both results mixed."""
        if choice.photo is None:
            return self._pretrained(choice.model)
        both, fraction = (choice.model, choice.photo.model), choice.photo.fraction
        name = f"{choice.model}+{fraction:g} {choice.photo.model}"
        with self._loading:
            if name not in self._ready:
                between = upscaler_between(*both, fraction, name, self._settings)
                if between is None:
                    return Mixed(self._pretrained(both[0]), self._pretrained(both[1]), fraction)
                self._ready[name] = between
            return self._ready[name]

    def upscale_in_parts(
        self, image: LoadedImage, size: tuple[int, int], choice: Choice, progress: Progress | None = None
    ) -> UpscaledImage:
        """`upscale_to` for results larger than memory: computed while they are written, as `image.upscale_in_parts`."""
        return upscale_in_parts(self.runner(choice), image, size, progress)

    def _pretrained(self, name: str) -> TiledUpscaler:
        with self._loading:
            if name not in self._ready:
                self._ready[name] = upscaler_of(name, self._settings)
            return self._ready[name]
