"""Time and peak memory of upscaling by how tensors get their memory: mapped anew, kept, on huge pages, both.

    python -m scripts.bench.allocation [--sides 1024 2048] [--model NAME]

Each case is a process of its own, with one thread in fp32; time is that of the processor, so other programs disturb it
less. "both" is what the command line does. Writes docs/results/bench_allocation.json.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from contextlib import nullcontext

from scripts.lib import paths

CASES = {"mapped anew": (False, False), "huge pages": (False, True), "kept": (True, False), "both": (True, True)}
"""Whether memory is kept, and whether large tensors lie on huge pages."""
SMALL_SIDE = 256
RESULTS = paths.RESULTS / "bench_allocation.json"
MOST = 1.1
"""Peak memory of what the command line does, over that of memory mapped anew."""
LEAST = 0.9
"""Its rate over that of an image of SMALL_SIDE."""


def one(side: int, model: str, kept: bool) -> dict[str, float]:
    """Upscale one image in this process."""
    import numpy as np
    import torch

    from scripts.lib.timing import photograph
    from srgan_kit.models.super_resolution import load_model
    from srgan_kit.upscaling import engine
    from srgan_kit.upscaling.torch_engine import torch_upscaler

    torch.set_num_threads(1)
    if not kept:
        engine.kept_memory = nullcontext
    upscaler = torch_upscaler(load_model(model), "cpu", "fp32")
    image = photograph(max(side, SMALL_SIDE))
    small, image = image[:SMALL_SIDE, :SMALL_SIDE], np.ascontiguousarray(image[:side, :side])
    upscaler.upscale(small)
    before = resource.getrusage(resource.RUSAGE_SELF)
    upscaler.upscale(image)
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {
        "seconds_per_megapixel": seconds / (side * side / 1e6),
        "page_faults": after.ru_minflt - before.ru_minflt,
        "peak_mib": after.ru_maxrss / 1024,
    }


def main() -> None:
    """Run every case, print a table and the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 2048], help="of square images")
    parser.add_argument("--model", default="x4-fidelity", help="pretrained model or file (default: x4-fidelity)")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(one(options.sides[0], options.model, CASES[options.case][0])))
        return
    found: dict[str, dict[str, dict[str, float]]] = {}
    for side in (SMALL_SIDE, *options.sides):
        found[str(side)] = {}
        for case, (_, huge) in CASES.items():
            command = [sys.executable, "-m", "scripts.bench.allocation", "--case", case, "--sides", str(side)]
            environment = os.environ | {"THP_MEM_ALLOC_ENABLE": str(int(huge)), "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                [*command, "--model", options.model], env=environment, capture_output=True, text=True, check=True
            )
            each = found[str(side)][case] = json.loads(done.stdout)
            print(
                f"{side:5} {case:12} {each['seconds_per_megapixel']:6.2f} s/MP {each['page_faults']:9,.0f} faults "
                f"{each['peak_mib']:6.0f} MiB",
                flush=True,
            )
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    small = found[str(SMALL_SIDE)]["both"]["seconds_per_megapixel"]
    for side in options.sides:
        each = found[str(side)]
        peak = each["both"]["peak_mib"] / each["mapped anew"]["peak_mib"]
        rate = small / each["both"]["seconds_per_megapixel"]
        print(f"{side}: peak {peak:.3f} (at most {MOST}), rate {rate:.3f} of {SMALL_SIDE}'s (at least {LEAST})")


if __name__ == "__main__":
    main()
