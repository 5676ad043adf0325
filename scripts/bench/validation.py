"""What LPIPS adds to a validation: its time beside that of upscaling the image and of PSNR.

    python -m scripts.bench.validation

One thread, in fp32, an output of 512 x 512 pixels of x4-fidelity; time is that of the processor. Random weights take as
long as trained ones, so nothing is fetched. Writes docs/results/bench_validation.json and a sentence into
docs/guide/understanding-a-run.md.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torchvision.models import squeezenet1_1

from scripts.lib import paths
from scripts.lib.pages import fill, wrapped
from scripts.lib.timing import photograph
from srgan_kit.metrics.lpips import lpips_like
from srgan_kit.metrics.psnr_ssim import psnr_y
from srgan_kit.models.super_resolution import load_model

SIDE, SCALE, REPEATS = 512, 4, 5
RESULTS = paths.RESULTS / "bench_validation.json"
PAGE = paths.GUIDE / "understanding-a-run.md"


def seconds(work: Callable[[], object]) -> float:
    """Median processor time after a warm-up."""
    times: list[float] = []
    for _ in range(REPEATS + 1):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return statistics.median(times[1:])


@torch.inference_mode()
def measure() -> dict[str, float]:
    """Seconds of each part of an image's validation."""
    torch.set_num_threads(1)
    high = torch.from_numpy(photograph(SIDE)).permute(2, 0, 1)[None]
    low = (high[..., ::SCALE, ::SCALE].float() / 255).contiguous(memory_format=torch.channels_last)
    network = load_model("x4-fidelity").network.to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(squeezenet1_1(weights=None).state_dict(), Path(folder) / "random.pth")
        distance = lpips_like(Path(folder) / "random.pth")
    output = network(low).clamp(0, 1)
    parts = {
        "upscaling": lambda: network(low),
        "lpips": lambda: distance(output, high),
        "psnr": lambda: psnr_y(output, high, SCALE),
    }
    return {name: float(f"{seconds(work):.3g}") for name, work in parts.items()}


def sentence(found: dict[str, float]) -> str:
    """What the page says."""
    return wrapped(
        f"LPIPS takes {found['lpips']:.2g} s for a held-out image of {SIDE} x {SIDE} pixels on one core, beside "
        f"{found['upscaling']:.2g} s for upscaling it by `x4-fidelity` and {found['psnr']:.2g} s for PSNR "
        "(`python -m scripts.bench.validation`)."
    )


def main() -> None:
    """Measure, print and write."""
    found = measure()
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    fill(PAGE, {"cost": sentence(found)})
    print(sentence(found))


if __name__ == "__main__":
    main()
