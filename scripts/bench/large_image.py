"""Memory of a result that is never whole in memory: peak of the whole process above PyTorch alone.

    python -m scripts.bench.large_image [--side 30000] [--model x4-fidelity-fast] [--suffixes .png .tif] [-o FILE.json]

The input is a photograph, mirrored until the result has that side, as PNG. The command runs as a user types it, in a
process of its own. Writes docs/results/bench_large_image.json; fails above 1.5 GiB.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyvips
from PIL import Image

from scripts.lib import paths
from scripts.lib.timing import photograph
from srgan_kit.models.pretrained import pretrained_models, read_summary

RESULTS = paths.RESULTS / "bench_large_image.json"
MOST_GIB = 1.5
PEAK = """
import sys
from pathlib import Path
import torch

def peak():  # not getrusage, whose peak a process inherits from the one that started it
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])

before = peak()
from srgan_kit.cli.main import run
try:
    run()
except SystemExit as end:
    print((peak() - before) / 2**20, file=sys.stderr)
    sys.exit(end.code)
"""


def measure(source: Path, target: Path, model: str, side: int) -> dict[str, float]:
    """Upscale a file in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-c", PEAK, "upscale", str(source), "-m", model, "-o", str(target), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds = time.perf_counter() - start
    pyvips.cache_set_max(0)
    result = pyvips.Image.new_from_file(str(target), access="sequential")
    if (result.width, result.height) != (side, side):
        raise RuntimeError(f"{target}: {result.width}x{result.height}")
    return {
        "peak_gib_above_torch": float(done.stderr.split()[-1]),
        "seconds": seconds,
        "file_gib": target.stat().st_size / 2**30,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=30_000, help="of the result, which is square")
    parser.add_argument("--model", default="x4-fidelity-fast", help="pretrained model")
    parser.add_argument("--suffixes", nargs="+", default=[".png", ".tif"], help="formats of the result")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    scale = int(read_summary(pretrained_models()[options.model]).scale)
    found: dict[str, object] = {"model": options.model, "side": options.side, "result_gib": 3 * options.side**2 / 2**30}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.png")
        Image.MAX_IMAGE_PIXELS = None
        Image.fromarray(photograph(options.side // scale)).save(source, compress_level=1)
        for suffix in options.suffixes:
            each = measure(source, Path(folder, f"out{suffix}"), options.model, options.side // scale * scale)
            found[suffix] = each
            print(suffix, {name: round(value, 3) for name, value in each.items()}, flush=True)
            if each["peak_gib_above_torch"] > MOST_GIB:
                raise SystemExit(f"{suffix}: above {MOST_GIB} GiB")
    options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
