"""Install the kit without PyTorch, as docs/guide/without-pytorch.md says, into a new virtual environment, and use it.

    python -m scripts.bench.without_torch [--repeats 5] [-o FILE.json]

Needs a package index. Checks that no PyTorch was installed and that an image is upscaled to the pixels of this
environment's PyTorch within 1 level; measures the size on disk and the time from start to end of an image of 16x16.
Writes docs/results/without_torch.json and a sentence of docs/guide/without-pytorch.md.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.lib import paths
from scripts.lib.pages import fill, wrapped
from scripts.lib.timing import Work, median_seconds, photograph
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS = paths.RESULTS / "without_torch.json"
REQUIREMENTS = paths.ROOT / "requirements" / "without-torch.txt"


def install(folder: Path) -> Path:
    """Make the environment; its folder of programs."""
    venv.create(folder / "environment", with_pip=True)
    programs = folder / "environment" / ("Scripts" if sys.platform == "win32" else "bin")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(paths.ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("srgan_kit-*.whl")
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    return programs


def size_on_disk(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def summary(found: dict[str, float]) -> str:
    """The sentence of the page."""
    return wrapped(
        f"Together they take {found['megabytes_on_disk']:.0f} MB on the disk (Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}), and an image of 16x16 is done {found['seconds_from_start']:.1f} s "
        "after the start of the command, as `python -m scripts.bench.without_torch` measures it in a new virtual "
        "environment, where it also compares the pixels."
    )


def main() -> None:
    """Install, check, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = install(folder)
        (packages,) = (folder / "environment").rglob("site-packages")
        if (packages / "torch").exists():
            raise SystemExit("error: PyTorch was installed")
        for side in (16, 200):
            Image.fromarray(photograph(side)).save(folder / f"{side}.png")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(programs / "srgan-kit"), "upscale", "--engine", "onnx", "--overwrite"]
        run = partial(subprocess.run, cwd=folder, env=environment, check=True, capture_output=True)
        run([*command, "200.png", "-m", "x4-photo", "-o", "out.png"])
        expected = Upscaler("x4-photo", "cpu", "fp32").upscale(photograph(200)).astype(int)
        largest = int(np.abs(np.asarray(Image.open(folder / "out.png")) - expected).max())
        if largest > 1:
            raise SystemExit(f"error: pixels differ by {largest} levels")
        work: dict[str, Work] = {"start": partial(run, [*command, "16.png", "-o", "out.png"])}
        found = {
            "megabytes_on_disk": size_on_disk(packages) / 1e6,
            "seconds_from_start": median_seconds(work, options.repeats)["start"],
            "largest_difference": largest,
        }
    print(json.dumps(found, indent=2))
    fill(paths.GUIDE / "without-pytorch.md", {"without-torch": summary(found)})
    options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
