"""What `--detail` and `--denoise` do from 0 to 1: distances and PSNR on held-out photographs, and a figure.

    SRGAN_KIT_DATA=... python -m scripts.experiments.dials [--images N]      measure what is missing in
                                              docs/results/dials.json, then write the page and draw the figure
    python -m scripts.experiments.dials --figure                             the figure alone

Photographs that no model was trained on are reduced, as they are or by the degradations of docs/guide/degradations.md,
and upscaled through `Upscaler(dials=...)`. Distances: LPIPS-like with SqueezeNet, as the pages of models have it, and
for detail with VGG16 too, on which nothing was trained. The page is docs/guide/dials-and-sizes.md.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from scripts.lib import paths
from scripts.lib.judged import Score, held_out, mean_score, score, squeezenet_judge, vgg_judge, written
from scripts.lib.pages import fill
from scripts.lib.quality import original
from scripts.lib.timing import photograph
from srgan_kit.data.degradation import degradation_random, degrade
from srgan_kit.data.degradation_settings import LightConfig, RoundsConfig, SecondOrderConfig
from srgan_kit.data.image_folder import find_images, rgb_planes
from srgan_kit.images.grid import save_sheet
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.pixels import center_crop
from srgan_kit.images.resize import resize_8bit
from srgan_kit.models.interpolation import SAME_ORIGIN, cosine
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.choice import Choice, Dials, Share
from srgan_kit.upscaling.engines import WEIGHT_POWER
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS, PAGE = paths.RESULTS / "dials.json", paths.GUIDE / "dials-and-sizes.md"
FIGURE = paths.IMAGES / "dials.png"
SOURCE = "photos"
"""One source is enough: of each a sixteenth was held out from all models."""
SIDE = 192
"""Of the middle part of each photograph that is looked at."""
SEED = 2**31 + 7
TIMED, TURNS = 96, 5
COMPARED = (Dials(detail=0), Dials(detail=1), Dials(detail=0.5), Dials(denoise=0.5), Dials(0.5, 0.5))
"""What is timed; the first is what the others are compared with."""
INPUTS: dict[str, RoundsConfig | None] = {
    "B100": None,  # the test set, whole images, for comparison with other pages
    "clean": None,
    "light": LightConfig(name="light"),
    "second-order": SecondOrderConfig(name="second-order"),
}
POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
Setting = tuple[str, int, str, Choice]
"""Name of a row, scale, kind of input, models."""


def settings() -> Iterator[Setting]:
    """All that is measured."""
    for value in POSITIONS:
        yield f"detail {value:g}", 4, "clean", Dials(detail=value).choose(4)
    for value in (0.0, 0.5, 1.0):  # models of x4, whose result is reduced
        yield f"detail {value:g}", 2, "clean", Dials(detail=value).choose(4)
    for value in POSITIONS:
        yield f"detail {value:g}", 4, "B100", Dials(detail=value).choose(4)
    yield "x2-fidelity", 2, "clean", Choice("x2-fidelity")
    for scale in (4, 2):
        for kind in ("clean", "light", "second-order"):
            for value in POSITIONS:
                yield f"denoise {value:g}", scale, kind, Dials(denoise=value).choose(scale)
    mixed = Choice("x4-fidelity", perceptual=Share("x4-photo", 0.5))  # the outputs, where the weights could be
    yield "denoise 0.5, results mixed", 4, "second-order", mixed
    middle = 0.5 ** (1 / WEIGHT_POWER)  # of the weights, where results are mixed
    between = Choice("x4-fidelity", photo=Share("x4-perceptual", middle))
    yield "detail 0.5, weights interpolated", 4, "clean", between
    for denoise in (0.0, 0.5, 1.0):
        for detail in (0.0, 0.5, 1.0):
            both = Dials(detail, denoise).choose(4)
            yield f"detail {detail:g}, denoise {denoise:g}", 4, "second-order", both
            if detail and denoise:
                name = f"detail {detail:g}, denoise {denoise:g}, perceptual sees the input"
                yield name, 4, "second-order", replace(both, perceptual_sees="input")


def pairs(data: Path, images: int, scale: int, kind: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(low, high) of each photograph."""
    config = INPUTS[kind]
    if kind == "B100":
        highs = [original(path, scale) for path in find_images(data / "sr_test" / "B100" / "HR")[:images]]
    else:
        highs = [center_crop(rgb_planes(pixels), SIDE, SIDE) for _, pixels in held_out(data, SOURCE)[:images]]
    for number, high in enumerate(highs):
        random = degradation_random(SEED, number)
        low = resize_8bit(high, 1 / scale) if config is None else degrade(high, scale, config, random)
        yield tuple(each.permute(1, 2, 0).contiguous().numpy() for each in (low, high))  # pyright: ignore[reportReturnType]


def origins() -> dict[str, Score]:
    """The cosines between the weights of models that the dials lie between."""
    pairs = [(f"x{scale}-fidelity", f"x{scale}-photo") for scale in (4, 2)]
    return {
        f"{first}, {second}": {"cosine": round(cosine(load_model(first), load_model(second)), 3)}
        for first, second in pairs
    }


def times() -> dict[str, Score]:
    """Processor seconds for a square of TIMED pixels a side, the median of turns: other programs count little then."""
    upscaler, low = Upscaler(device="cpu", precision="fp32"), photograph(TIMED)
    found: dict[str, list[float]] = {}
    for turn in range(TURNS + 1):
        for dials in COMPARED:
            start = time.process_time()
            upscaled(upscaler, low, (4 * TIMED, 4 * TIMED), dials.choose(4))
            if turn:
                found.setdefault(f"time: {dials}", []).append(time.process_time() - start)
    return {name: {"processor_seconds": round(statistics.median(values), 3)} for name, values in found.items()}


def measure(data: Path, images: int) -> dict[str, Score]:
    """Means over photographs: found["x4 clean: detail 0.5"]; the origins of weights too."""
    fast, upscaler = {"lpips_like": squeezenet_judge(data)}, Upscaler(device="cpu", precision="fp32")
    slow = fast | {"lpips_vgg": vgg_judge(data)}
    found: dict[str, Score] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found |= origins()
    if f"time: {COMPARED[0]}" not in found:
        found |= times()
        save(found)
    for name, scale, kind, choice in settings():
        if f"x{scale} {kind}: {name}" in found:
            continue
        scores: list[Score] = []
        judges = slow if (scale, kind) == (4, "clean") and name.startswith("detail") else fast
        for low, high in pairs(data, images, scale, kind):
            made = upscaled(upscaler, low, (high.shape[1], high.shape[0]), choice)
            scores.append(score(made, high, scale, judges))
        found[f"x{scale} {kind}: {name}"] = mean_score(scores)
        print(f"x{scale} {kind}: {name}: {written(mean_score(scores))}", flush=True)
        save(found)
    return found


def save(found: dict[str, Score]) -> None:
    """Keep what is known."""
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def upscaled(upscaler: Upscaler, low: np.ndarray, size: tuple[int, int], choice: Choice) -> np.ndarray:
    """The result at `size`."""
    return upscaler.upscale_to(LoadedImage(low), size, choice).image.pixels


# --- the page -------------------------------------------------------------------------------------------------------


def single(found: dict[str, Score]) -> str:
    """Each dial alone."""
    lines = [f"| scale, input | dial | {' | '.join(f'{value:g}' for value in POSITIONS)} |", f"|---|---|{'---|' * 5}"]
    denoised = [(f"x{scale} {kind}", "denoise") for scale in (4, 2) for kind in ("clean", "light", "second-order")]
    rows = [("x4 clean", "detail"), ("x4 B100", "detail"), *denoised]
    for where, dial in rows:
        cells = [written(found[f"{where}: {dial} {value:g}"]) for value in POSITIONS]
        lines.append(f"| {where} | `--{dial}` | {' | '.join(cells)} |")
    halves = [100 * gain(found, where, 0.25) for where, _ in denoised if "clean" not in where]
    gains = f"{min(halves):.0f} to {max(halves):.0f} %"
    lines += [
        "",
        f"Weights halfway between both, which `--denoise 0.25` has, bring {gains} of the photo model's gain in",
    ]
    lines += ["distance on the degraded photographs."]
    weights = written(found["x4 clean: detail 0.5, weights interpolated"])
    lines += ["", f"Of `--detail 0.5` on clean photographs interpolated weights would give {weights}."]
    return "\n".join(lines)


def gain(found: dict[str, Score], where: str, value: float) -> float:
    """The part of the photo model's gain in distance that the dial of denoising brings at a position."""
    first, here, last = (found[f"{where}: denoise {each:g}"]["lpips_like"] for each in (0, value, 1))
    return (first - here) / (first - last)


def both(found: dict[str, Score]) -> str:
    """Both dials together, beside the simpler way in which the perceptual model sees the input."""
    lines = [
        "| x4 second-order | `--detail 0` | 0.5 | 1 | 0.5, sees the input | 1, sees the input |",
        f"|---|{'---|' * 5}",
    ]
    for denoise in (0.0, 0.5, 1.0):
        names = [f"detail {detail:g}, denoise {denoise:g}" for detail in (0.0, 0.5, 1.0)]
        names += [f"{name}, perceptual sees the input" if denoise else "" for name in names[1:]]
        cells = [written(found[f"x4 second-order: {name}"]) if name else "the same" for name in names]
        lines.append(f"| `--denoise {denoise:g}` | {' | '.join(cells)} |")
    weights, results = (written(found[f"x4 second-order: denoise 0.5{way}"]) for way in ("", ", results mixed"))
    lines += ["", f"Of `--denoise 0.5` alone interpolated weights give {weights}, mixed results would give {results}."]
    return "\n".join(lines)


def origin_table(found: dict[str, Score]) -> str:
    """How alike weights are, and what is made of it."""
    lines = ["| models | cosine of their weights | between them |", "|---|---:|---|"]
    for pair, values in found.items():
        if "cosine" in values:
            way = "interpolated weights" if values["cosine"] >= SAME_ORIGIN else "mixed results"
            lines.append(f"| {pair} | {values['cosine']:.2f} | {way} |")
    return "\n".join(lines)


def time_table(found: dict[str, Score]) -> str:
    """Seconds of a photograph over those of the fidelity model."""
    one = found[f"time: {COMPARED[0]}"]["processor_seconds"]
    lines = ["| x4 | time over x4-fidelity's |", "|---|---:|"]
    for dials in COMPARED[1:]:
        lines.append(f"| {dials} | {found[f'time: {dials}']['processor_seconds'] / one:.1f} |")
    return "\n".join(lines)


def figure() -> None:
    """One row each: detail on a clean photograph, denoise on one with noise."""
    from skimage import data

    upscaler, rows = Upscaler(device="cpu", precision="fp32"), list[torch.Tensor]()
    cat, coffee = data.chelsea()[60:276, 130:346], data.coffee()[60:276, 180:396]
    noise = np.random.default_rng(0).normal(0, 10, (54, 54, 3))
    clean, noisy = (resize_8bit(rgb_planes(part), 0.25).permute(1, 2, 0).numpy() for part in (cat, coffee))
    noisy = np.rint(noisy + noise).clip(0, 255).astype(np.uint8)
    for low, dials in ((clean, [Dials(detail=v) for v in POSITIONS]), (noisy, [Dials(denoise=v) for v in POSITIONS])):
        views = [low.repeat(4, axis=0).repeat(4, axis=1)]
        views += [upscaled(upscaler, np.ascontiguousarray(low), (216, 216), each.choose(4)) for each in dials]
        rows.append(torch.cat([rgb_planes(view) for view in views], dim=2))
    save_sheet(torch.cat(rows, dim=1).float() / 255, ["input", *(f"{value:g}" for value in POSITIONS)], FIGURE)


def main() -> None:
    """Measure, then write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12, help="photographs to measure on")
    parser.add_argument("--figure", action="store_true", help="draw the figure alone")
    options = parser.parse_args()
    if not options.figure:
        found = measure(paths.data_folder("images and weights"), options.images)
        parts = {"one dial": single(found), "both dials": both(found)}
        fill(PAGE, parts | {"origins": origin_table(found), "times": time_table(found)})
    figure()


if __name__ == "__main__":
    main()
