"""The whole command `srgan-kit upscale`, from its start to its end, by itself and with `--server`; writes JSON.

    python -m scripts.bench.server [--side 128] [--repeats 5] [-o FILE.json]

What either takes beyond the network is its time less that of the upscaling alone in a process with PyTorch loaded.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from scripts.lib import paths
from scripts.lib.server import serving
from scripts.lib.timing import Check, Work, median_seconds, photograph, report
from srgan_kit.upscaling.upscaler import Upscaler

MODEL = "x4-fidelity"
AT_MOST = 0.5
"""Seconds of the command with `--server`, beside those of the network."""


def measure(side: int, repeats: int) -> dict[str, object]:
    """Seconds of each, taking turns, and whether the bytes are the same."""
    pixels, upscaler = photograph(side), Upscaler(MODEL)
    with tempfile.TemporaryDirectory(prefix="srgan-") as folder:
        Image.fromarray(pixels).save(Path(folder, "in.png"))

        with serving(Path(folder), "--no-page") as server:

            def command(output: str, *more: str) -> None:
                arguments = ["upscale", "in.png", "-m", MODEL, "--overwrite", "-o", output, *more]
                program, quiet = [sys.executable, "-m", "srgan_kit", *arguments], subprocess.DEVNULL
                subprocess.run(program, cwd=folder, env=server.environment, check=True, stdout=quiet)

            work: dict[str, Work] = {
                "network": lambda: upscaler.upscale(pixels),
                "alone": lambda: command("alone.png"),
                "by_server": lambda: command("served.png", "--server"),
            }
            taken = median_seconds(work, repeats)
        is_same = Path(folder, "alone.png").read_bytes() == Path(folder, "served.png").read_bytes()
    beyond = {f"{name}_beyond_network": taken[name] - taken["network"] for name in ("alone", "by_server")}
    return {"side": side, "model": MODEL, **taken, **beyond, "same_bytes": is_same}


def main() -> None:
    """Measure, report, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, default=paths.RESULTS / "bench_server.json")
    options = parser.parse_args()
    found = measure(options.side, options.repeats)
    beyond, is_same = found["by_server_beyond_network"], bool(found["same_bytes"])
    assert isinstance(beyond, float)
    checks = [
        Check("by_server_beyond_network", beyond, f"<= {AT_MOST}", beyond <= AT_MOST),
        Check("same_bytes", float(is_same), ">= 1", is_same),
    ]
    report(found, checks, options.output)


if __name__ == "__main__":
    main()
