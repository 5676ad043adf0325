"""Read mutated models, checkpoints, arrays, archives and recipes, and count what should not happen.

    python scripts/reliability/fuzz_files.py [--count 3000] [--seed 1] [--show]

The files are made by code. A mutant may be read, or refused in one line.
"""

import io
import json
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from fuzzing import ending_in, fuzz, print_summary
from PIL import Image

from srgan_kit.data.npz import read_arrays
from srgan_kit.data.unpack import Unpacked
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.generators.super_resolution.rrdb import RRDBNetConfig
from srgan_kit.models.super_resolution import load_model, save_model
from srgan_kit.recipes.load import load_recipe

PARAM = """7767517
5 5
Input in0 0 1 in0
Convolution conv0 1 1 in0 1 0=12 1=3 4=1 5=1 6=324
PReLU act 1 1 1 2 0=12
PixelShuffle shuffle 1 1 2 3 0=2
Convolution conv1 1 1 3 out0 0=3 1=3 4=1 5=1 6=81
"""
"""A small network in ncnn's text."""


def intact(folder: Path) -> dict[str, bytes]:
    """Small files of every kind, by name."""
    config = ResidualSRConfig(channels=4, groups=1, convolutions=1)
    save_model(config.build(), config, folder / "own.safetensors", {"border": "4"})
    made = {"own.safetensors": (folder / "own.safetensors").read_bytes()}
    (folder / "own.safetensors").unlink()
    stored = io.BytesIO()
    weights = RRDBNetConfig(name="rrdb", channels=16, blocks=1).build().state_dict()
    torch.save({"params": weights}, stored)
    made["community.pth"] = stored.getvalue()
    arrays = io.BytesIO()
    images, classes = np.zeros((6, 8, 8, 3), np.uint8), np.array(["a", "b", "c"])
    np.savez_compressed(arrays, images=images, labels=np.arange(6) % 3, classes=classes)
    made["arrays.npz"] = arrays.getvalue()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(3):
            image = io.BytesIO()
            Image.new("RGB", (9, 9), (number, 0, 0)).save(image, "PNG")
            file.writestr(f"in/{number}.png", image.getvalue())
    made["images.zip"] = archive.getvalue()
    recipes = Path(load_recipe.__code__.co_filename).parent
    for name in ("fidelity-x4", "infogan", "photo-gan-x4"):
        made[f"{name}.toml"] = (recipes / f"{name}.toml").read_bytes()
    made["model.param"] = PARAM.encode()
    return made


def attempt(path: Path) -> bool:
    """Read a file as the command that takes it does; False where it is refused in one line."""
    try:
        if path.suffix == ".toml":
            json.loads(load_recipe(str(path)).model_dump_json())
        elif path.suffix == ".npz":
            read_arrays(path)
        elif path.suffix == ".zip":
            Unpacked(path)
        else:
            load_model(path)
    except UserError as error:
        if "\n" in str(error):
            raise ValueError(f"more than one line: {error}") from error
        return False
    return True


def run(count: int, seed: int, show: bool = False, only: str = "") -> str:
    """The summary of so many mutants."""
    weights = np.random.default_rng(0).normal(0, 0.1, 324 + 12 + 12 + 81 + 3).astype("<f4").tobytes()
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(action="ignore"):
        folder = Path(name)

        def with_weights(path: Path) -> bool:
            binary = path.with_suffix(".bin")
            if path.suffix == ".param":  # the tag of fp32 before each kernel
                cut = 4 * (324 + 12)
                tail = cut + 4 * 12
                binary.write_bytes(bytes(4) + weights[:cut] + weights[cut:tail] + bytes(4) + weights[tail:])
            try:
                return attempt(path)
            finally:
                binary.unlink(missing_ok=True)

        what = f"other files ({only})" if only else "other files"
        return fuzz(ending_in(intact(folder), only), count, seed, folder, with_weights, show).line(what, seed)


if __name__ == "__main__":
    print_summary(run, 3000, __doc__)
