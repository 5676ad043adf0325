"""Files that declare more than they hold are refused in one line, before anything of that size is made."""

import io
import json
import resource
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import spandrel  # noqa: F401, its import is not what is timed
import torch
from safetensors.torch import save_file

from srgan_kit.data.npz import read_arrays
from srgan_kit.data.unpack import Unpacked
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.generators.super_resolution.rrdb import RRDBNetConfig
from srgan_kit.limits import building_at_most, check_layer_numbers
from srgan_kit.models.super_resolution import load_model, save_model

CONFIG = ResidualSRConfig(channels=4, groups=1)


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """One line with these words, in less than a second, and without a hundred megabytes."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(UserError) as caught:
        yield
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def esrgan() -> dict[str, torch.Tensor]:
    return RRDBNetConfig(name="rrdb", blocks=1).build().state_dict()


def repeated(path: Path) -> None:
    torch.save({"params": {"a": torch.zeros(1).expand(10**10)}}, path)


def far_layer(path: Path) -> None:
    weights = esrgan()
    weights |= {name.replace("body.0.", "body.99999999."): value for name, value in weights.items()}
    torch.save(weights, path)


def inflating(path: Path) -> None:
    stored = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, stored)
    with zipfile.ZipFile(stored) as small, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as large:
        for name in small.namelist():
            large.writestr(name, bytes(300_000_000) if name.endswith("data/0") else small.read(name))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (repeated, "would become 40,000,000,000"),
        (far_layer, "99999999"),
        (inflating, "would become 300,000"),
    ],
)
def test_checkpoints(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    make(tmp_path / "bomb.pth")
    with refused("model", "bomb.pth", reason):
        load_model(tmp_path / "bomb.pth")


def test_a_layer_wider_than_its_weights(tmp_path: Path) -> None:
    weights = esrgan()
    first = next(name for name, value in weights.items() if value.ndim == 4)
    weights[first] = torch.zeros(60_000, 3, 3, 3)  # 6 MB that stand for a layer of 130 GB
    torch.save(weights, tmp_path / "bomb.pth")
    with refused("bomb.pth", "much larger than its"):
        load_model(tmp_path / "bomb.pth")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"groups": 10_000_000}, "residual.groups: Input should be less than or equal to 300, got 10000000"),
        ({"convolutions": 10_000_000}, "residual.convolutions: Input should be less than or equal to 300"),
        ({"channels": 100_000}, "much larger than its"),
        ({"groups": 300, "convolutions": 300}, "much larger than its"),
    ],
)
def test_settings_of_a_larger_network(tmp_path: Path, settings: dict[str, int], words: str) -> None:
    generator = json.loads(CONFIG.model_dump_json()) | settings
    path = tmp_path / "bomb.safetensors"
    save_model(CONFIG.build(), CONFIG, path, {"generator": json.dumps(generator)})
    with refused("bomb.safetensors", words):
        load_model(path)


def test_tensors_without_numbers(tmp_path: Path) -> None:
    weights = esrgan()
    first = next(name for name, value in weights.items() if value.ndim == 4)
    weights[first] = torch.zeros(10**12, 0, 3, 3)
    save_file(weights, tmp_path / "bomb.safetensors")
    with refused("bomb.safetensors"):
        load_model(tmp_path / "bomb.safetensors")


def test_ordinary_networks_are_built() -> None:
    for config in (CONFIG, RRDBNetConfig(name="rrdb")):
        network = config.build()
        check_layer_numbers(network.state_dict())
        with building_at_most(network.state_dict().values()):
            config.build()
    built = torch.nn.Linear(20_000, 1_000)  # nothing is counted any more
    assert built.weight.numel() == 20_000_000


def test_archives_of_pictures(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.bmp", bytes(300_000_000))
    with refused("bomb.zip", "would become 300,000,000"):
        Unpacked(tmp_path / "bomb.zip")


def test_arrays_that_inflate(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((100_000, 32, 32, 3), np.uint8))
    with refused("bomb.npz", "would become 307,200,128"):
        read_arrays(tmp_path / "bomb.npz")


@pytest.mark.parametrize("shape", [(10**9, 32, 32, 3), (2, 2, 2, 1)])
def test_arrays_of_another_size_than_they_say(tmp_path: Path, shape: tuple[int, ...]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as file:
        file.writestr("images.npy", header.getvalue() + struct.pack("4B", 1, 2, 3, 4))
    with refused("bomb.npz: images: ", f"its header promises {np.prod(shape, dtype=object)} bytes, it has 4"):
        read_arrays(tmp_path / "bomb.npz")
