"""What an ONNX file of ours says of itself, so that nothing has to be measured; no torch is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from srgan_kit.errors import UserError
from srgan_kit.models.field import Field

INPUT, OUTPUT = "image", "upscaled"
FORMAT = "srgan-kit onnx"
"""What the file says of its format."""
PRECISIONS = {"float32": "fp32", "float16": "fp16"}
"""What weights and arithmetic are in, and what options call it."""
NUMBERS = ("scale", "channels", "multiple_of", "border", "tile")
TEXTS = ("name", "precision", "architecture", "licence", "training_data")


@dataclass(frozen=True)
class OnnxHeader:
    """A model in an ONNX file: (N, C, h, w) fp32 in [0, 1] -> (N, C, h * scale, w * scale) fp32."""

    name: str
    scale: int
    channels: int
    multiple_of: int
    """Input sides must be a multiple of this."""
    border: int
    """Pixels by which images are to be continued, mirrored, before the network sees them."""
    tile: int
    """Side of a tile that suits the network."""
    field: Field
    """What tiles must respect."""
    precision: str = "float32"
    """One of PRECISIONS."""
    architecture: str = "unknown"
    licence: str = "unknown"
    training_data: str = "unknown"
    weights: str = ""
    """Name and SHA-256 of the file beside it that holds the weights; empty where the file holds them itself."""

    @property
    def minimum(self) -> int:
        """Smallest side that the network accepts."""
        return self.field.minimum

    def as_metadata(self) -> dict[str, str]:
        """As the file's metadata has it."""
        values = {name: value for name, value in vars(self).items() if name != "field"} | vars(self.field)
        return {"format": FORMAT, "range": "[0, 1]"} | {name: str(value) for name, value in values.items()}


def read_header(path: Path, metadata: Mapping[str, str]) -> OnnxHeader:
    """The header in a file's metadata.

    Raises:
        UserError: it is not of a file that `srgan-kit export` wrote, or not of one of this version.
    """
    if metadata.get("format") != FORMAT:
        raise UserError(f"model {path}: expected an ONNX file that `srgan-kit export` of this version wrote")
    try:
        scale, channels, multiple_of, border, tile = (int(metadata[key]) for key in NUMBERS)
        halo, step, minimum = (int(metadata[key]) for key in ("halo", "step", "minimum"))
        name, precision, architecture, licence, training_data = (metadata[key] for key in TEXTS)
        field = Field(halo, step, minimum, exact=metadata["exact"] == "True")
    except (KeyError, ValueError) as error:
        raise UserError(f"model {path}: its header is damaged: {error}") from None
    numbers = scale, channels, multiple_of, border, tile
    if min(*numbers, halo) < 0 or min(scale, tile, step, minimum) < 1:
        raise UserError(
            f"model {path}: its header is damaged: {dict(zip(NUMBERS, numbers, strict=True))} {vars(field)}"
        )
    texts = precision, architecture, licence, training_data, metadata.get("weights", "")
    return OnnxHeader(name, *numbers, field, *texts)
