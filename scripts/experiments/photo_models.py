"""The photo models on photographs as people have them, beside bicubic, the fidelity models and Real-ESRGAN's network.

    SRGAN_KIT_DATA=... python -m scripts.experiments.photo_models [--minutes M]    goes on where it ended; then the page
    SRGAN_KIT_DATA=... python -m scripts.experiments.photo_models --again x4-photo x2-photo    new weights of these
    python -m scripts.experiments.photo_models --render                            the page alone

Mild JPEG: photographs that no model was trained on are reduced, saved as JPEG of quality 50 to 92 in either
subsampling, and upscaled. Degraded: B100, as `scripts/lib/photo_comparison.py` has it. Distances are LPIPS-like with
SqueezeNet, which the photo models were trained with, and with VGG16, with which they were not. The page is
docs/studies/photo_models.md.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.lib import paths
from scripts.lib.compression import through_jpeg
from scripts.lib.holdout import photograph_of
from scripts.lib.judged import Judges, held_out, mean_score, score, squeezenet_judge, vgg_judge, written
from scripts.lib.pages import fill
from scripts.lib.photo_comparison import PEERS, degraded
from scripts.lib.quality import original
from scripts.lib.results import Results, Row
from srgan_kit.data.image_folder import find_images, rgb_planes
from srgan_kit.images.resize import resize_8bit
from srgan_kit.metrics.folder import Upscale, bicubic_upscaler
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS, PAGE = paths.RESULTS / "photo_models.jsonl", paths.STUDIES / "photo_models.md"
PEER = "Real-ESRGAN general"
SOURCES, EACH = ("photos", "cc0", "bsds"), 12
"""Sources of the mildly compressed photographs, and how many are taken of each."""
LOWEST, HIGHEST = 50, 92
"""JPEG's quality."""
SEED = 11
KEY = ("set", "number")
"""What tells an image's line from the others."""

Pair = tuple[np.ndarray, np.ndarray]
"""(h, w, 3) uint8, and its original, (h * scale, w * scale, 3)."""


def mild_jpeg(scale: int, data: Path) -> Iterator[Pair]:
    """Reduced and compressed photographs, of each no more than one part."""
    for source in SOURCES:
        found = {photograph_of(Path(name)): pixels for name, pixels in held_out(data, source)}
        for number, high in enumerate(list(found.values())[:EACH]):
            random = np.random.default_rng((SEED, scale, number))
            height, width = (side // scale for side in high.shape[:2])
            high = high[: height * scale, : width * scale]
            low = Image.fromarray(high).resize((width, height), Image.Resampling.BICUBIC)
            quality, subsampling = int(random.integers(LOWEST, HIGHEST + 1)), ("4:2:0", "4:4:4")[random.integers(2)]
            yield np.array(through_jpeg(low, quality, subsampling)), high


def degraded_b100(degradation: str, scale: int, data: Path) -> Iterator[Pair]:
    """All of B100."""
    for number, path in enumerate(find_images(data / "sr_test" / "B100" / "HR")):
        high = original(path, scale)
        low = degraded(high, scale, degradation, number)
        yield low.permute(1, 2, 0).contiguous().numpy(), high.permute(1, 2, 0).contiguous().numpy()


SETS: dict[str, tuple[int, Callable[[int, Path], Iterator[Pair]]]] = {
    "mild JPEG, x2": (2, mild_jpeg),
    "mild JPEG, x3": (3, mild_jpeg),
    "mild JPEG, x4": (4, mild_jpeg),
    "light, x4": (4, partial(degraded_b100, "light")),
    "second-order, x4": (4, partial(degraded_b100, "second-order")),
}


def compared(scale: int) -> list[str]:
    """Names of what is compared at a scale."""
    photo = ["x2-photo", "x4-photo"] if scale == 2 else ["x4-photo"]
    return ["bicubic", f"x{scale}-fidelity", *photo, PEER]


def upscaled(low: np.ndarray, name: str, scale: int, data: Path) -> np.ndarray:
    """What one of them makes; of a larger scale reduced."""
    if name == "bicubic":
        return bicubic_upscaler(scale)(low)
    upscale, own = _network(name, data)
    made = rgb_planes(upscale(low))
    return (resize_8bit(made, scale / own) if own != scale else made).permute(1, 2, 0).contiguous().numpy()


@cache
def _network(name: str, data: Path) -> tuple[Upscale, int]:
    model = load_model(data / PEERS[name] if name in PEERS else name)
    return Upscaler(model, "cpu", "fp32").upscale, model.scale


def run(data: Path, results: Results, minutes: float | None) -> None:
    """Measure what is missing."""
    judges: Judges = {"lpips_like": squeezenet_judge(data), "lpips_vgg": vgg_judge(data)}
    begin = time.monotonic()
    for name, (scale, pairs) in SETS.items():
        done = {row["number"]: row for row in results.latest(*KEY) if row["set"] == name}
        for number, (low, high) in enumerate(pairs(scale, data)):
            row: Row = done.get(number, {"set": name, "number": number})
            missing = [each for each in compared(scale) if each not in row]
            if minutes is not None and time.monotonic() - begin > 60 * minutes:
                return
            for each in missing:
                row[each] = score(upscaled(low, each, scale, data), high, scale, judges)
            if missing:
                results.add(row)


def page(rows: list[Row]) -> str:
    """The tables of the page, of the sets that are measured."""
    complete = [row for row in rows if row.keys() >= {*compared(SETS[row["set"]][0])}]
    by_set = {name: [row for row in complete if row["set"] == name] for name in SETS}
    lines: list[str] = []
    for scale in (2, 3, 4):
        sets = {name: some for name, some in by_set.items() if some and SETS[name][0] == scale}
        if sets:
            lines += ["", f"| | {' | '.join(f'{name} ({len(some)})' for name, some in sets.items())} |"]
            lines += [f"|{'---|' * (1 + len(sets))}"]
        for each in compared(scale) if sets else ():
            means = [written(mean_score([row[each] for row in some])) for some in sets.values()]
            reduced = ", reduced" if scale < 4 and each in ("x4-photo", PEER) else ""
            lines.append(f"| {each}{reduced} | {' | '.join(means)} |")
    lines += ["", f"| | photo model over bicubic, % | over {PEER}, % |", "|---|---|---|"]
    for name, some in by_set.items():
        own = compared(SETS[name][0])[2]
        if some:
            lines.append(f"| {name}, {own} | {_over(some, own, 'bicubic')} | {_over(some, own, PEER)} |")
    return "\n".join(lines[1:])


def _over(rows: list[Row], own: str, other: str) -> str:
    """By how much the mean distances of one are above those of another, in percent."""
    first, second = (mean_score([row[name] for row in rows]) for name in (own, other))
    return " / ".join(f"{100 * (first[judge] / second[judge] - 1):+.1f}" for judge in ("lpips_like", "lpips_vgg"))


def main() -> None:
    """Measure, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after so many; the next call goes on")
    parser.add_argument("--render", action="store_true", help="write the page from what is measured")
    names = dict.fromkeys(name for scale in (2, 3, 4) for name in compared(scale))
    parser.add_argument("--again", nargs="+", default=[], choices=names, help="measure these anew")
    options = parser.parse_args()
    if options.again and options.render:
        parser.error("--again measures: give no --render with it")
    results = Results(RESULTS)
    if not options.render:
        data = paths.data_folder("images and weights")
        results.tidy(KEY, without=options.again)
        run(data, results, options.minutes)
        results.tidy(KEY)
    fill(PAGE, {"photo models": page(results.latest(*KEY))})


if __name__ == "__main__":
    main()
