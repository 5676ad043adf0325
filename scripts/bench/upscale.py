"""Speed and memory of upscaling, as ratios measured in one run, against thresholds; writes what it finds as JSON.

    python -m scripts.bench.upscale [--model NAME_OR_FILE] [--side 512] [--memory-side 4096] [--folder 200] [-o FILE]

Then writes the table of docs/guide/upscaling.md. With SRGAN_KIT_DATA set, also the cost of bf16 in PSNR on Set5, the
time against Real-ESRGAN's compact checkpoint, and that checkpoint in ours against Real-ESRGAN's own loop: the whole
image in fp32, NCHW.
"""

import argparse
import contextlib
import io
import math
import platform
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.lib import paths
from scripts.lib.pages import fill
from scripts.lib.photo_comparison import COMPACT_FILE
from scripts.lib.timing import CPU, Check, Work, bare, median_seconds, photograph, report
from srgan_kit.cli.upscale_options import Existing, UpscaleOptions
from srgan_kit.cli.upscaling_batch import run_jobs
from srgan_kit.devices import cpu_has_bf16, pick_precision
from srgan_kit.images.encode import write_image
from srgan_kit.images.read import read_image
from srgan_kit.metrics.folder import evaluate_pairs, pair_images
from srgan_kit.models.pretrained import DEFAULT_MODEL
from srgan_kit.models.super_resolution import UpscalingModel, load_model
from srgan_kit.upscaling.engines import ENGINES
from srgan_kit.upscaling.jobs import Job
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS = paths.RESULTS / "bench_upscale.json"
AT_LEAST = {"speedup": 2.0, "speedup_fp32": 1.2, "end_to_end_rate": 0.85, "rate_1024": 0.9, "rate_2048": 0.9}
AT_LEAST |= {"folder_rate": 0.93, "over_realesrgan": 3.2, "over_realesrgan_fp32": 1.7}
"""speedup and over_realesrgan count only where the CPU has bf16; rates are pixels per second beside an image of
SMALL_SIDE: end to end beside the network alone, the others both without files. folder_rate: a folder from file to file
beside the network alone on the same decoded images."""
NEED_BF16 = ("speedup", "over_realesrgan")
MATRIX = 2048
SMALL_SIDE, LARGE_SIDES = 256, (1024, 2048)
"""A small image is one tile, whose layers stay in the cache and in memory that the process has already."""
AT_MOST = {
    "time_against_compact": 1.3,
    "bf16_psnr_change_db": 0.01,
    "seconds_for_help": 0.3,
    "seconds_from_start_onnx": 1.2,
    "peak_gib_auto": 1.5,
    "peak_gib_fp32": 1.5,
    "growth_gib_auto": 0.1,
    "growth_gib_fp32": 0.1,
}
"""The peaks are meant for inputs of MEMORY_SIDE; growth is without the decoded input and the result."""
MEMORY_SIDE = 4096


def check(found: dict[str, object]) -> list[Check]:
    """Every threshold whose value was measured and counts on this machine."""
    checks = []
    for name, value in found.items():
        if not isinstance(value, float) or (name in NEED_BF16 and not cpu_has_bf16()):
            continue
        if name in AT_LEAST:
            checks.append(Check(name, value, f">= {AT_LEAST[name]}", value >= AT_LEAST[name]))
        if name in AT_MOST and not (name.startswith("peak") and found["memory_side"] != MEMORY_SIDE):
            checks.append(Check(name, value, f"<= {AT_MOST[name]}", value <= AT_MOST[name]))
    return checks


def speed(model: UpscalingModel, side: int, repeats: int) -> dict[str, float]:
    """Ours against the plain forward of the whole image, and what end to end is made of: network, decoder, encoder."""
    pixels, small = photograph(side), photograph(SMALL_SIDE)
    fast, exact = Upscaler(model, "cpu", "auto"), Upscaler(model, "cpu", "fp32")
    dtype = pick_precision("auto", CPU)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.png"), Path(folder, "out.png")
        Image.fromarray(pixels).save(source)
        result = fast.upscale(read_image(source))
        work: dict[str, Work] = {
            "plain": bare(model, pixels, torch.float32, torch.contiguous_format),
            "bare": bare(model, small, dtype, torch.channels_last),
            "ours": lambda: fast.upscale(pixels),
            "ours_fp32": lambda: exact.upscale(pixels),
            "end_to_end": lambda: write_image(fast.upscale(read_image(source)), target),
            "decode": lambda: read_image(source),
            "encode": lambda: write_image(result, target),
        }
        data = paths.optional_data_folder()
        if data is not None:
            compact = load_model(data / COMPACT_FILE)
            work["compact"] = bare(compact, small, dtype, torch.channels_last)
        seconds = median_seconds(work, repeats)
    ratios = {
        "speedup": seconds["plain"] / seconds["ours"],
        "speedup_fp32": seconds["plain"] / seconds["ours_fp32"],
        "end_to_end_rate": seconds["bare"] / seconds["end_to_end"] * (side / SMALL_SIDE) ** 2,
        "share_of_decoder_and_encoder": (seconds["decode"] + seconds["encode"]) / seconds["end_to_end"],
        "bare_seconds_per_megapixel": seconds["bare"] / (SMALL_SIDE**2 / 1e6),
    }
    if "compact" in seconds:
        ratios["time_against_compact"] = seconds["bare"] / seconds["compact"]
    return {f"seconds_{name}": value for name, value in seconds.items()} | ratios


def over_realesrgan(side: int, repeats: int) -> dict[str, float]:
    """How many times as fast Real-ESRGAN's compact checkpoint is in ours as in its own loop; nothing without the data.

    That loop is the inference of its `RealESRGANer` without tiles: floats from 8 bits, one forward pass of the whole
    image in fp32 and NCHW, and back. And how many operations a second ours makes in fp32 beside a product of matrices:
    what is left to gain without other arithmetic.
    """
    data = paths.optional_data_folder()
    if data is None:
        return {}
    compact, pixels = load_model(data / COMPACT_FILE), photograph(side)

    @torch.inference_mode()
    def theirs() -> object:
        image = torch.from_numpy(np.transpose(pixels.astype(np.float32) / 255, (2, 0, 1))).unsqueeze(0)
        output = compact.network(image).squeeze().float().clamp_(0, 1).numpy()
        return (np.transpose(output, (1, 2, 0)) * 255.0).round().astype(np.uint8)

    ours = {name: Upscaler(compact, "cpu", name) for name in ("auto", "fp32")}
    work: dict[str, Work] = {name: partial(upscaler.upscale, pixels) for name, upscaler in ours.items()}
    matrix = torch.rand(MATRIX, MATRIX)
    seconds = median_seconds({"theirs": theirs, **work, "product": lambda: matrix @ matrix}, repeats)
    weights = sum(each.numel() for each in compact.network.parameters() if each.ndim == 4)  # each used once a pixel
    return {
        "rate_of_products": weights * side**2 / seconds["fp32"] / (MATRIX**3 / seconds["product"]),
        "seconds_realesrgan": seconds["theirs"],
        "over_realesrgan": seconds["theirs"] / seconds["auto"],
        "over_realesrgan_fp32": seconds["theirs"] / seconds["fp32"],
    }


def folder_rate(model: UpscalingModel, count: int, repeats: int) -> dict[str, float]:
    """A folder of photographs from file to file against the network alone on the same images, decoded."""
    upscaler = Upscaler(model, "cpu", "auto")
    large = photograph(2 * SMALL_SIDE)
    with tempfile.TemporaryDirectory() as folder:
        sources = [Path(folder, f"{number}.jpg") for number in range(count)]
        for number, source in enumerate(sources):
            top, left = 37 * number % SMALL_SIDE, 91 * number % SMALL_SIDE
            Image.fromarray(large[top : top + SMALL_SIDE, left : left + SMALL_SIDE]).save(source, quality=95)
        decoded = [read_image(source).pixels for source in sources]

        def network() -> None:
            for pixels in decoded:
                upscaler.upscale(pixels)

        def files() -> None:
            jobs = [Job(source, source.with_suffix(".png")) for source in sources]
            with contextlib.redirect_stdout(io.StringIO()):
                run_jobs(jobs, upscaler, UpscaleOptions(lambda _: None), Existing(overwrite=True, since=math.inf))
            assert all(job.status == "done" for job in jobs)

        seconds = median_seconds({"network": network, "files": files}, repeats)
    return {"folder_images": count, "folder_rate": seconds["network"] / seconds["files"]}


def rates(model: UpscalingModel, repeats: int) -> dict[str, float]:
    """Pixels per second of large images beside a small one, taken in turn."""
    upscaler = Upscaler(model, "cpu", "auto")
    small, found = photograph(SMALL_SIDE), dict[str, float]()
    for side in LARGE_SIDES:
        large = photograph(side)
        work: dict[str, Work] = {"small": lambda: upscaler.upscale(small), "large": partial(upscaler.upscale, large)}
        seconds = median_seconds(work, repeats)
        found[f"rate_{side}"] = seconds["small"] / seconds["large"] * (side / SMALL_SIDE) ** 2
    return found


def cost_of_bf16(model: UpscalingModel) -> dict[str, float]:
    """PSNR on Set5 in fp32 and bf16; nothing without the data."""
    data = paths.optional_data_folder()
    if data is None:
        return {}
    folder = data / "sr_test" / "Set5"
    pairs = pair_images(folder / "HR", folder / "LR_bicubic" / f"X{model.scale}", model.scale)
    psnr = {}
    for precision in ("fp32", "bf16"):
        scores = evaluate_pairs(pairs, Upscaler(model, "cpu", precision).upscale, model.scale)
        psnr[precision] = statistics.fmean(score.psnr_y for score in scores)
    change = abs(psnr["bf16"] - psnr["fp32"])
    return {"set5_fp32": psnr["fp32"], "set5_bf16": psnr["bf16"], "bf16_psnr_change_db": change}


PEAK = """
import sys
from pathlib import Path
import torch

def peak():  # not getrusage, whose peak a process inherits from the one that started it
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])

before = peak()
from srgan_kit import Upscaler, read_image, write_image
upscaler = Upscaler(sys.argv[1], "cpu", sys.argv[2])
write_image(upscaler.upscale(read_image(sys.argv[3])), sys.argv[4])
print((peak() - before) / 2**20)
"""


def peak_gib(model: str, precision: str, side: int) -> float:
    """Peak memory of one run, from file to file, above the interpreter with torch loaded."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.png"), Path(folder, "out.png")
        Image.fromarray(photograph(side)).save(source, compress_level=1)
        command = [sys.executable, "-c", PEAK, model, precision, str(source), str(target)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory(model: str, scale: int, side: int) -> dict[str, float]:
    """The peak at `side`, and how much of it beyond the decoded input and the result is not there at half the side."""
    found = {}
    for precision in ("auto", "fp32"):
        peaks = {size: peak_gib(model, precision, size) for size in (side // 2, side)}
        beyond = {size: peak - 3 * size**2 * (1 + scale**2) / 2**30 for size, peak in peaks.items()}
        found[f"peak_gib_{precision}"] = peaks[side]
        found[f"beyond_buffers_gib_{precision}_half_side"] = beyond[side // 2]
        found[f"beyond_buffers_gib_{precision}"] = beyond[side]
        found[f"growth_gib_{precision}"] = beyond[side] - beyond[side // 2]
    return found


def seconds_of_processes(repeats: int) -> dict[str, float]:
    """Median times of `srgan-kit --help`, and of an image of 16x16 from start to end in each engine."""
    command = [sys.executable, "-c", "from srgan_kit.cli.main import run; run()"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.png")
        Image.fromarray(photograph(16)).save(source)
        upscale = ["upscale", str(source), "-o", str(Path(folder, "out.png")), "--overwrite", "--engine"]
        arguments = {"for_help": ["--help"]} | {f"from_start_{name}": [*upscale, name] for name in ENGINES}
        work: dict[str, Work] = {
            name: partial(subprocess.run, [*command, *each], capture_output=True, check=True)
            for name, each in arguments.items()
        }
        return {f"seconds_{name}": value for name, value in median_seconds(work, repeats).items()}


SAID = {
    "speedup": "its network in one forward pass of the whole image, fp32, NCHW",
    "speedup_fp32": "its network in one forward pass of the whole image, fp32, NCHW; here in fp32 too",
    "over_realesrgan": "Real-ESRGAN's own loop, fp32, NCHW, both with animevideov3",
    "over_realesrgan_fp32": "Real-ESRGAN's own loop, fp32, NCHW, both with animevideov3; here in fp32 too",
    "rate_of_products": "a product of matrices: operations per second of animevideov3, fp32",
    "rate_1024": "an image of 256x256: pixels per second at 1024x1024",
    "rate_2048": "an image of 256x256: pixels per second at 2048x2048",
    "end_to_end_rate": "its network alone: one image from file to file",
    "folder_rate": "its network alone: a folder of images from file to file",
}
"""Ratios of speed in the guide: what this engine is compared with."""


def table(found: dict[str, object]) -> str:
    """The ratios that were measured and count on this machine, and the times of commands."""
    lines = ["| compared with | times as fast | threshold |", "|---|---:|---:|"]
    for name, text in SAID.items():
        value = found.get(name)
        if isinstance(value, float) and (name not in NEED_BF16 or cpu_has_bf16()):
            lines.append(f"| {text} | {value:.2f} | {AT_LEAST.get(name, '')} |")
    lines += ["", "| from the command's start to its end | s |", "|---|---:|"]
    for engine in ENGINES:
        value = found.get(f"seconds_from_start_{engine}")
        if isinstance(value, float):
            lines.append(f"| an image of 16x16, `--engine {engine}` | {value:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure everything, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="pretrained model or file")
    parser.add_argument("--side", type=int, default=512, help="side of the timed input")
    parser.add_argument(
        "--memory-side", type=int, default=MEMORY_SIDE, help="side of the input for peak memory; 0: none"
    )
    parser.add_argument("--folder", type=int, default=200, help="photographs in the timed folder; 0: none")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    model = load_model(options.model)
    found: dict[str, object] = {
        "model": model.name,
        "parameters": model.parameters,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "precision_auto": str(pick_precision("auto", CPU)),
        "side": options.side,
        "memory_side": options.memory_side,
    }
    found |= speed(model, options.side, options.repeats) | rates(model, min(options.repeats, 3)) | cost_of_bf16(model)
    found |= over_realesrgan(options.side, options.repeats) | seconds_of_processes(options.repeats)
    if options.folder:
        found |= folder_rate(model, options.folder, min(options.repeats, 3))
    if options.memory_side:
        found |= memory(options.model, model.scale, options.memory_side)
    report(found, check(found), options.output)
    if options.output == RESULTS:
        fill(paths.GUIDE / "upscaling.md", {"speed": table(found)})


if __name__ == "__main__":
    main()
