"""Models that the user added under names: kept in the user's data folder, and listed without importing torch."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.models import realesrgan
from srgan_kit.models.pretrained import AUTO, ModelSummary, pretrained_models
from srgan_kit.user_folders import data_folder

RECORD = "model.json"
"""In a model's folder: what is known of it."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a name may be: it is a folder's too."""
FILES = (".safetensors", ".pth", ".pt", ".ckpt", ".param", ".bin", ".onnx")
"""Endings that a name may not have, for it would hide the file of that name."""


@dataclass(frozen=True)
class Added:
    """What is known of a model that was added."""

    name: str
    """The user's name for it."""
    files: dict[str, str]
    """SHA-256 of each file by its name; the first is the one to load."""
    scale: int
    """Upscaling factor."""
    architecture: str
    """What kind of network it is."""
    parameters: int
    """Number of weights."""
    licence: str
    """Terms of the weights, as the user or the file says."""
    speed: dict[str, float]
    """As measured when it was added: see `cli.models`."""


def folder() -> Path:
    """Where added models are: `SRGAN_KIT_MODELS`, or the platform's folder for a user's data."""
    chosen = os.environ.get("SRGAN_KIT_MODELS")
    return Path(chosen) if chosen else data_folder() / "models"


def add(model: Added, files: Mapping[str, Path]) -> None:
    """Copy a model's files into its folder; the record comes last, so that a model is there whole or not at all.

    Args:
        model: what is known of it; the hashes of its files are filled in here.
        files: what to copy, by the names they get.

    Raises:
        UserError: a name that cannot be or is taken, files that cannot be copied.
    """
    check_name(model.name)
    place = folder() / model.name
    try:
        place.mkdir(parents=True, exist_ok=True)
        hashes: dict[str, str] = {}
        for name, file in files.items():
            with atomic_write(place / name) as temporary:
                shutil.copyfile(file, temporary)
                hashes[name] = _hash(temporary)
        with atomic_write(place / RECORD) as temporary:
            temporary.write_text(json.dumps(asdict(replace(model, files=hashes)), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{place}: cannot be written: {error.strerror or error}") from None


def remove(name: str) -> None:
    """Remove an added model.

    Raises:
        UserError: there is none of that name, or its files cannot be removed.
    """
    if find_record(name) is None:
        names = ", ".join(model.name for model in added_models()) or "none"
        raise UserError(f"model {name!r}: was not added (added: {names})")
    try:
        (folder() / name / RECORD).unlink()  # first, so that no half of it is found
        shutil.rmtree(folder() / name)
    except OSError as error:
        raise UserError(f"{folder() / name}: cannot be removed: {error.strerror or error}") from None


def check_name(name: str) -> None:
    """Raise a UserError for a name that cannot be a model's, or is one's already."""
    if name == AUTO or name in pretrained_models() or name in (*realesrgan.MODELS, *realesrgan.ALIASES):
        raise UserError(f"--name {name}: the kit has a model of that name")
    if not NAME.fullmatch(name):
        raise UserError(f"--name {name!r}: expected letters, digits, dots, dashes and underscores, at most 64")
    if Path(name).suffix.lower() in FILES:
        raise UserError(f"--name {name}: looks like a file; expected a name without {Path(name).suffix}")
    if find_record(name) is not None:
        raise UserError(f"--name {name}: there is an added model of that name; `models --remove {name}` removes it")


def added_models() -> list[Added]:
    """All of them, by name; what is damaged is left out, and found out when it is asked for."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder()) if entry.is_dir())
    except OSError:  # there is no such folder
        return []
    return [model for name in names if (model := find_record(name)) is not None]


def find_record(name: str) -> Added | None:
    """What is known of an added model; None where there is none of that name, or its record cannot be read."""
    if not NAME.fullmatch(name):
        return None
    try:
        record = Added(**json.loads((folder() / name / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if isinstance(record.files, dict) and record.files else None


def find(name: str) -> tuple[Path, Added] | None:
    """The file to load of an added model, its hashes checked; None for a name that is none.

    Raises:
        UserError: a file is missing, or is not the one that was added.
    """
    model = find_record(name)
    if model is None:
        return None
    place = folder() / name
    for file, expected in model.files.items():
        try:
            found = _hash(place / file)
        except OSError as error:
            raise UserError(f"model {name}: {place / file} cannot be read: {error.strerror}") from None
        if found != expected:
            raise UserError(f"model {name}: {place / file} is not the file that was added: add it again")
    return place / next(iter(model.files)), model


def summaries() -> list[ModelSummary]:
    """What `srgan-kit models` lists of each."""
    return [
        ModelSummary(
            name=model.name,
            scale=str(model.scale),
            makes="",
            system="",
            architecture=model.architecture,
            parameters=model.parameters,
            licence=model.licence,
            training_data="added by you",
            measured={"speed": model.speed} if model.speed else {},
            bytes=sum(map(_size, (folder() / model.name / file for file in model.files))),
        )
        for model in added_models()
    ]


def _size(file: Path) -> int:
    """Bytes of a file; none of one that is gone, which is said when it is asked for."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
