"""The models that came with the package: where they are and what their headers say, read without importing torch."""

import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from safetensors import SafetensorError, safe_open

from srgan_kit.errors import UserError

DEFAULT_MODEL = "x4-fidelity"
AUTO = "auto"
"""What is asked for where the model is to suit each image (`srgan_kit.upscaling.auto`)."""
UNKNOWN = "unknown"
FORMAT = "srgan-kit"
"""What a super-resolver's file says of its format."""
GENERATIVE_FORMAT = "srgan-kit generative model"
"""What a generative model's file says."""


@dataclass(frozen=True)
class ModelSummary:
    """What a model file says about itself."""

    name: str
    """The file's name without its suffix."""
    scale: str
    """Upscaling factor of a super-resolver."""
    makes: str
    """What a generative model makes, such as "64x64 RGB"; nothing for a super-resolver."""
    system: str
    """The system that a generative model was trained by."""
    architecture: str
    """The generator's name."""
    parameters: int
    """Number of weights."""
    licence: str
    """Terms of the weights."""
    training_data: str
    """What it was trained on."""
    measured: dict[str, dict[str, float]]
    """Measured figures by name, of each test set, of "speed", or of a generative model's "samples"."""
    bytes: int
    """Size of the file."""

    @property
    def psnr_y(self) -> dict[str, float]:
        """Measured PSNR on luma by test set, dB."""
        return self.by_set("psnr_y")

    def by_set(self, figure: str) -> dict[str, float]:
        """A figure, such as "ssim_y" or "lpips_like", of each test set that has it."""
        return {name: values[figure] for name, values in self.measured.items() if figure in values}


def pretrained_folder() -> Path:
    """Where the weights are that came with the package: a wheel or a checkout."""
    inside = resources.files("srgan_kit") / "pretrained"
    return Path(str(inside)) if inside.is_dir() else Path(__file__).resolve().parents[2] / "pretrained"


def pretrained_models() -> dict[str, Path]:
    """Name -> file of the models that came with the package, by name."""
    return {path.stem: path for path in sorted(pretrained_folder().glob("[!.]*.safetensors"))}


def pretrained_upscalers() -> dict[str, Path]:
    """Those that upscale images."""
    return {name: path for name, path in pretrained_models().items() if not read_summary(path).makes}


def pretrained_generators() -> dict[str, Path]:
    """Those that make images of nothing: what `srgan-kit generate` takes."""
    return {name: path for name, path in pretrained_models().items() if read_summary(path).makes}


def default_model(scale: float | None) -> str:
    """The model for an output scale: the fidelity model of the smallest scale that reaches it, else of x4."""
    pretrained = pretrained_models()
    reaching = [f"x{own}-fidelity" for own in (2, 3, 4) if scale is not None and scale <= own]
    return next((name for name in reaching if name in pretrained), DEFAULT_MODEL)


def read_summary(path: Path) -> ModelSummary:
    """What a safetensors file of ours says in its header; what it does not say is "unknown".

    Raises:
        UserError: the file is not a safetensors file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            parameters = sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"model {path}: not a readable safetensors file: {error}") from None
    recipe = _json(metadata.get("recipe"))
    generator = _json(metadata.get("generator")) or recipe.get("generator")
    return ModelSummary(
        name=path.stem,
        scale=metadata.get("scale", UNKNOWN),
        makes=_output_kind(recipe.get("data")) if metadata.get("format") == GENERATIVE_FORMAT else "",
        system=_name(recipe.get("variant")),
        architecture=_name(generator),
        parameters=parameters,
        licence=metadata.get("licence", metadata.get("license", UNKNOWN)),
        training_data=metadata.get("training_data", UNKNOWN),
        measured=_measured(metadata.get("measured")),
        bytes=path.stat().st_size,
    )


def _name(table: object) -> str:
    return str(table.get("name", UNKNOWN)) if isinstance(table, dict) else UNKNOWN


def _output_kind(data: object) -> str:
    """What images of these settings are."""
    if not isinstance(data, dict) or "size" not in data:
        return UNKNOWN
    colours = {1: "grey", 3: "RGB"}.get(data.get("channels", 3), UNKNOWN)
    return f"{data['size']}x{data['size']} {colours}"


def _json(text: str | None) -> dict[str, object]:
    """The JSON object in a text; empty where there is none, because a header's comments are no reason to fail."""
    try:
        value = json.loads(text or "")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _measured(text: str | None) -> dict[str, dict[str, float]]:
    """Test set -> its figures that are numbers, from JSON such as {"Set5": {"psnr_y": 31.5, "ssim_y": 0.88}}."""
    sets = {name: values for name, values in _json(text).items() if isinstance(values, dict)}
    numbers = {
        name: {figure: float(value) for figure, value in values.items() if isinstance(value, int | float)}
        for name, values in sets.items()
    }
    return {name: values for name, values in numbers.items() if values}
