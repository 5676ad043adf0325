"""Which model is better for which image: the experiment behind `-m auto`, on photographs that no model was trained on.

    SRGAN_KIT_DATA=... python -m scripts.experiments.model_choice [--minutes M]    goes on where it ended; then the page
    SRGAN_KIT_DATA=... python -m scripts.experiments.model_choice --again photo    measures new weights of these
    SRGAN_KIT_DATA=... python -m scripts.experiments.model_choice --test-set       the same on B100, for which no
                                                                                   threshold was chosen

Held-out photographs and drawn pages of text are reduced, treated in a known way, and upscaled by both models. "Better"
is the lower LPIPS-like distance with VGG16, on which nothing was trained; PSNR on luma stands beside it.
"""

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.lib import paths
from scripts.lib.compression import jpeg_file
from scripts.lib.judged import Score, held_out, score, vgg_judge
from scripts.lib.pages import fill
from scripts.lib.results import Results, Row
from scripts.lib.text_pages import text_page
from srgan_kit.data.image_folder import find_images
from srgan_kit.errors import UserError
from srgan_kit.losses import LPIPSLoss
from srgan_kit.metrics.folder import bicubic_upscaler
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.auto import harm
from srgan_kit.upscaling.evidence import evidence, of_image
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS, ON_B100 = paths.RESULTS / "choice.jsonl", paths.RESULTS / "choice_b100.jsonl"
SOURCES = ("bsds", "cc0", "photos")
PAGES = 24
VERSIONS = 2
"""Treatments of each image, but one of the test set's."""
SEED = 5
KEY = ("number",)
"""What tells an image's line from the others."""
COMPARED = ("bicubic", "fidelity", "photo")
CLEARLY = 0.05
"""Part by which a distance has to be smaller for its model to count as the better one."""
PAGE = paths.GUIDE / "choosing.md"

Treatment = Callable[[Image.Image, np.random.Generator], tuple[Image.Image, bytes | None]]


def _jpeg(image: Image.Image, random: np.random.Generator) -> tuple[Image.Image, bytes]:
    file = jpeg_file(image, int(random.integers(30, 99)), str(random.choice(["4:2:0", "4:4:4"])))
    return Image.open(io.BytesIO(file)).convert("RGB"), file


def _saved_again(image: Image.Image, random: np.random.Generator) -> tuple[Image.Image, None]:
    """As PNG, cut at any place, as screenshots are."""
    top, left = (int(each) for each in random.integers(0, 8, 2))
    wide = Image.fromarray(np.pad(np.asarray(image), ((top, 0), (left, 0), (0, 0)), mode="edge"))
    read = _jpeg(wide, random)[0]
    return read.crop((left, top, read.width, read.height)), None


def _resized(image: Image.Image, random: np.random.Generator) -> tuple[Image.Image, None]:
    """JPEG at another size, from 0.6 to 2 times this one."""
    factor = float(random.uniform(0.6, 2))
    other = image.resize(tuple(round(factor * side) for side in image.size), Image.Resampling.BICUBIC)  # pyright: ignore[reportArgumentType]
    return _jpeg(other, random)[0].resize(image.size, Image.Resampling.BICUBIC), None


def _noisy(image: Image.Image, random: np.random.Generator) -> tuple[Image.Image, None]:
    pixels = np.asarray(image) + random.normal(0, random.uniform(0, 25), (image.height, image.width, 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)), None


TREATMENTS: dict[str, Treatment] = {
    "clean": lambda image, random: (image, None),
    "JPEG": _jpeg,
    "JPEG, saved again": _saved_again,
    "JPEG, then resized": _resized,
    "noise": _noisy,
}
"""What is done to a low-resolution image, and its file where it is one."""


def originals(data: Path) -> list[tuple[str, np.ndarray]]:
    """Names and (H, W, 3) pixels of held-out photographs, and of pages of text."""
    found: list[tuple[str, np.ndarray]] = []
    for source in SOURCES:
        found += held_out(data, source)
    for number in range(PAGES):
        found.append((f"text/{number}", text_page(384, np.random.default_rng((SEED, number)))))
    return found


def b100(data: Path) -> list[tuple[str, np.ndarray]]:
    """The test set's photographs."""
    found: list[tuple[str, np.ndarray]] = []
    for path in find_images(data / "sr_test" / "B100" / "HR"):
        with Image.open(path) as image:
            found.append((f"B100/{path.name}", np.asarray(image.convert("RGB"))))
    return found


def treated(high: np.ndarray, scale: int, number: int) -> tuple[Image.Image, bytes | None, str]:
    """The low-resolution image, its file, and what was done."""
    random = np.random.default_rng((SEED, scale, number))
    name = list(TREATMENTS)[random.integers(len(TREATMENTS))]
    low = Image.fromarray(high).resize((high.shape[1] // scale, high.shape[0] // scale), Image.Resampling.BICUBIC)
    return *TREATMENTS[name](low, random), name


def measured(high: np.ndarray, low: Image.Image, scale: int, name: str, judge: LPIPSLoss) -> Score:
    """Distance and PSNR of one of `COMPARED`."""
    upscale = bicubic_upscaler(scale) if name == "bicubic" else _upscaler(f"x{scale}-{name}").upscale
    return score(upscale(np.array(low)), high[: low.height * scale, : low.width * scale], scale, {"lpips_vgg": judge})


def chosen(low: Image.Image, file: bytes | None, scale: int) -> str:
    """Which of the two the rule takes."""
    known = (None, None) if file is None else of_image(Image.open(io.BytesIO(file)))
    return "fidelity" if harm(evidence(np.array(low), *known), scale) is None else "photo"


@cache
def _upscaler(name: str) -> Upscaler:
    return Upscaler(load_model(name), "cpu", "fp32")


def run(
    data: Path, results: Results, everything: list[tuple[str, np.ndarray]], count: int, minutes: float | None
) -> None:
    """Measure what is missing of so many inputs."""
    judge, begin = vgg_judge(data), time.monotonic()
    done = {row["number"]: row for row in results.latest(*KEY)}
    for number in range(count):
        if minutes is not None and time.monotonic() - begin > 60 * minutes:
            return
        (name, high), scale = everything[number % len(everything)], scale_of(number, len(everything))
        low, _, treatment = treated(high, scale, number)
        row: Row = done.get(number, {"image": name, "scale": scale, "number": number, "treatment": treatment})
        missing = [each for each in COMPARED if each not in row]
        for each in missing:
            row[each] = measured(high, low, scale, each, judge)
        if missing:
            results.add(row)


def scale_of(number: int, images: int) -> int:
    """4 and 2 in turns, in the second version the other one."""
    return (4, 2)[(number // images + number % images) % 2]


# --- the page -------------------------------------------------------------------------------------------------------


def page(rows: list[Row], everything: list[tuple[str, np.ndarray]]) -> str:
    """The tables of docs/guide/choosing.md."""
    rows = [row for row in rows if row.keys() >= {*COMPARED}]
    for row in rows:
        low, file, _ = treated(everything[row["number"] % len(everything)][1], row["scale"], row["number"])
        row["taken"] = chosen(low, file, row["scale"])
        row["kind"] = "a page of text" if row["image"].startswith("text/") else row["treatment"]
    kinds = [*TREATMENTS, *(["a page of text"] if any(row["kind"] == "a page of text" for row in rows) else [])]
    lines = [
        "| scale | input | images | fidelity better | photo better | choice right |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for scale in (2, 4):
        for kind in (*kinds, "all"):
            some = [row for row in rows if row["scale"] == scale and kind in ("all", row["kind"])]
            clear = [row for row in some if better(row)]
            right = sum(better(row) == row["taken"] for row in clear)
            counts = [sum(better(row) == name for row in some) for name in ("fidelity", "photo")]
            lines.append(f"| x{scale} | {kind} | {len(some)} | {counts[0]} | {counts[1]} | {right} of {len(clear)} |")
    clear = [row for row in rows if better(row)]
    right = sum(better(row) == row["taken"] for row in clear)
    lines += ["", f"In all the choice is right for {right} of {len(clear)} ({100 * right / len(clear):.1f} %),"]
    harmed = [row for row in clear if row["kind"] != "clean"]
    right = sum(better(row) == row["taken"] for row in harmed)
    lines += [f"without clean photographs for {right} of {len(harmed)} ({100 * right / len(harmed):.1f} %).", ""]
    lines += ["| scale | " + " | ".join([*COMPARED, "auto", "the better one"]) + " |", f"|---|{'---|' * 5}"]
    for scale in (2, 4):
        some = [row for row in rows if row["scale"] == scale]
        cells = [_means([row[name] for row in some]) for name in COMPARED]
        cells.append(_means([row[row["taken"]] for row in some]))
        cells.append(_means([min((row["fidelity"], row["photo"]), key=lambda one: one["lpips_vgg"]) for row in some]))
        lines.append(f"| x{scale} | {' | '.join(cells)} |")
    return "\n".join(lines)


def better(row: Row) -> str:
    """Which model is better by more than `CLEARLY`; empty where neither is."""
    fidelity, photo = (row[name]["lpips_vgg"] for name in ("fidelity", "photo"))
    if abs(fidelity - photo) <= CLEARLY * min(fidelity, photo):
        return ""
    return "fidelity" if fidelity < photo else "photo"


def _means(scores: list[dict[str, float]]) -> str:
    return " / ".join(
        f"{statistics.fmean(one[name] for one in scores):.{d}f}" for name, d in (("lpips_vgg", 3), ("psnr_y", 2))
    )


def main() -> None:
    """Measure, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument("--test-set", action="store_true", help="on the test set, once the thresholds are chosen")
    parser.add_argument("--again", nargs="+", default=[], choices=COMPARED, help="measure these anew")
    options = parser.parse_args()
    data = paths.data_folder("images and weights")
    try:
        everything = b100(data) if options.test_set else originals(data)
        results = Results(ON_B100 if options.test_set else RESULTS)
        results.tidy(KEY, without=options.again)
        run(data, results, everything, len(everything) * (1 if options.test_set else VERSIONS), options.minutes)
        results.tidy(KEY)
    except UserError as error:
        sys.exit(f"error: {error}")
    fill(PAGE, {"choice on B100" if options.test_set else "choice": page(results.rows(), everything)})


if __name__ == "__main__":
    main()
