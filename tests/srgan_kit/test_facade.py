"""What is imported from `srgan_kit` itself: nothing heavy before it is used, and then what users call."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import srgan_kit


def python(program: str, folder: Path) -> str:
    """What a program prints, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys, srgan_kit; print('torch' in sys.modules, 'numpy' in sys.modules, 'Upscaler' in dir(srgan_kit))"
    )
    assert python(program, tmp_path) == "False False True\n"
    program = "import sys; from srgan_kit import read_image, write_image; print('torch' in sys.modules)"
    assert python(program, tmp_path) == "False\n"


def test_every_public_name_is_there() -> None:
    for name in srgan_kit.__all__:
        assert getattr(srgan_kit, name).__name__ == name
        assert name in dir(srgan_kit)
    with pytest.raises(AttributeError, match="no attribute 'upscaler_of_all'"):
        _ = srgan_kit.upscaler_of_all


def test_upscaling_imports_nothing_of_training(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "a.png")
    program = """
import sys
from srgan_kit.cli.main import run
sys.argv = ["srgan-kit", "upscale", "a.png", "--device", "cpu"]
try:
    run()
except SystemExit as end:
    assert not end.code
apart = ("srgan_kit.recipes", "srgan_kit.training", "srgan_kit.tasks")
print([name for name in sys.modules if name.startswith(apart)])
"""
    assert python(program, tmp_path).splitlines()[-1] == "[]"
    assert (tmp_path / "a_x4.png").is_file()


def test_the_readmes_lines_upscale_a_file_and_an_array(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 24, 4), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    upscaler = srgan_kit.Upscaler("x2-fidelity", device="cpu", precision="fp32")
    larger = upscaler.upscale(srgan_kit.read_image(str(tmp_path / "photo.png")))
    assert srgan_kit.write_image(larger, str(tmp_path / "photo_x2.png")) == []
    with Image.open(tmp_path / "photo_x2.png") as image:
        assert (image.mode, image.size) == ("RGBA", (48, 40))
    opaque = noise[:, :, :3]
    by_name = upscaler.upscale(opaque)
    loaded = srgan_kit.load_model("x2-fidelity")
    by_model = srgan_kit.Upscaler(loaded, "cpu", "fp32", tile=64).upscale(opaque)
    assert (by_name.shape, by_name.dtype) == ((40, 48, 3), np.uint8)
    assert np.array_equal(by_name, by_model)


def test_a_degradation_needs_one_import() -> None:
    from srgan_kit.data.degradation import LightConfig, SecondOrderConfig, degradation_random, degrade

    image = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    for settings in (LightConfig(), SecondOrderConfig()):
        assert degrade(image, 4, settings, degradation_random(0, 0)).shape == (3, 16, 16)
