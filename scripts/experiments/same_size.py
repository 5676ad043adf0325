"""Cleaning without enlargement, `-s 1`: from what harm on is the photo model's result better than the input itself?

    SRGAN_KIT_DATA=... python -m scripts.experiments.same_size      measure what is missing in
                                              docs/results/same_size.json, then write the page

The middle of photographs that no model was trained on, and of drawn pages of text, is compressed or made noisy.
x2-photo enlarges it, and the result is reduced to the input's size, as `srgan-kit upscale -s 1 -m x2-photo` does.
Distances are LPIPS-like with VGG16, on which nothing was trained. The page is docs/guide/choosing.md.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.lib import paths
from scripts.lib.compression import through_jpeg
from scripts.lib.judged import Judges, Score, held_out, mean_score, score, vgg_judge, written
from scripts.lib.pages import fill
from scripts.lib.text_pages import text_page
from srgan_kit.data.image_folder import rgb_planes
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.pixels import center_crop
from srgan_kit.upscaling.auto import HARMED_PAGE, NOISE, QUALITY
from srgan_kit.upscaling.choice import Choice
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS, PAGE = paths.RESULTS / "same_size.json", paths.GUIDE / "choosing.md"
SIDE, PHOTOGRAPHS, PAGES = 192, 6, 6
"""Of the parts that are looked at; photographs of each source; pages of text."""
SOURCES = ("photos", "cc0")
SEED = 7
MODEL = "x2-photo"
QUALITIES, LEVELS = (20, 30, 40, 50, 60, 75, 90), (1, 2, 4, 8, 16)
Treatment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def compressed(quality: int) -> Treatment:
    """JPEG in 4:2:0."""
    return lambda pixels, random: np.array(through_jpeg(Image.fromarray(pixels), quality))


def noisy(level: int) -> Treatment:
    """Gaussian noise of so many of 255 levels."""
    return lambda pixels, random: (pixels + random.normal(0, level, pixels.shape)).round().clip(0, 255).astype(np.uint8)


UNHARMED = "none"
TREATMENTS: dict[str, Treatment] = {
    UNHARMED: lambda pixels, random: pixels,
    **{f"JPEG of quality {quality}": compressed(quality) for quality in QUALITIES},
    **{f"noise, {level} of 255": noisy(level) for level in LEVELS},
}


def originals(data: Path) -> dict[str, list[np.ndarray]]:
    """By kind, (SIDE, SIDE, 3) each."""
    photographs = [pixels for source in SOURCES for _, pixels in held_out(data, source)[:PHOTOGRAPHS]]
    pages = [text_page(384, np.random.default_rng((SEED, number))) for number in range(PAGES)]
    return {
        kind: [center_crop(rgb_planes(each), SIDE, SIDE).permute(1, 2, 0).contiguous().numpy() for each in images]
        for kind, images in (("photographs", photographs), ("pages of text", pages))
    }


def measure(data: Path) -> dict[str, dict[str, Score]]:
    """found["photographs, JPEG of quality 20"] = the scores of the input and of what was made of it."""
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    judges: Judges = {"lpips_vgg": vgg_judge(data)}
    upscaler = Upscaler(device="cpu", precision="fp32")
    for kind, images in originals(data).items():
        for name, treat in TREATMENTS.items():
            if f"{kind}, {name}" in found:
                continue
            scores: dict[str, list[Score]] = {"input": [], "cleaned": []}
            for number, original in enumerate(images):
                low = treat(original, np.random.default_rng((SEED, number)))
                made = upscaler.upscale_to(LoadedImage(low), (SIDE, SIDE), Choice(MODEL)).image.pixels
                scores["cleaned"].append(score(made, original, 0, judges))
                if name != UNHARMED:  # of which the PSNR is infinite
                    scores["input"].append(score(low, original, 0, judges))
            found[f"{kind}, {name}"] = {each: mean_score(some) for each, some in scores.items() if some}
            print(f"{kind}, {name}: {found[f'{kind}, {name}']}", flush=True)
            RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def page(found: dict[str, dict[str, Score]]) -> str:
    """The table of docs/guide/choosing.md."""
    lines = ["| harm | photographs | cleaned | pages of text | cleaned |", "|---|---|---|---|---|"]
    for name in TREATMENTS:
        of_kinds = [found[f"{kind}, {name}"] for kind in ("photographs", "pages of text")]
        cells = [written(some[each]) if each in some else "" for some in of_kinds for each in ("input", "cleaned")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Taken: the photo model up to quality {QUALITY[1]} and from {NOISE[1]:g} levels of noise on; for text up to "
        f"quality {HARMED_PAGE} and from {NOISE[2]:g} levels.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, write the page."""
    fill(PAGE, {"same size": page(measure(paths.data_folder("images and weights")))})


if __name__ == "__main__":
    main()
