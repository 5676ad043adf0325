"""Measure the pretrained super-resolvers: docs/guide/models.md, a table in each card, an image of crops for each.

    SRGAN_KIT_DATA=... python -m scripts.pretrained.measure [NAME ...] [--headers] [--keep-speed]
    SRGAN_KIT_DATA=... python -m scripts.pretrained.measure [NAME ...] --photo [--limit 3]

PSNR, SSIM, the LPIPS-like distance and the phase imbalance come from the sets' own low-resolution files, in fp32; the
speed from 256x256 pixels, beside Real-ESRGAN's compact checkpoint in turns. `--headers` writes the figures into the
models' files too, where `srgan-kit models` reads them. Figures already in docs/results/models.json are kept for models
not named. `--photo` compares them on degraded photographs instead (`scripts/lib/photo_comparison.py`) and writes
docs/results/photo.json and the page; with `--limit` it looks at the first few photographs and only prints. The test
sets are for models that are ready to be released, never for a choice.
"""

import argparse
import json
import sys
import textwrap
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from scripts.lib import paths
from scripts.lib.pages import filled
from scripts.lib.photo_comparison import COMPACT_FILE, Found, compare, section
from scripts.lib.quality import Figures, checkerboard_of_originals, mean_figures, original
from scripts.lib.timing import CPU, Work, bare, median_seconds, photograph
from scripts.pretrained.onnx_models import write_onnx
from srgan_kit.atomic import atomic_write
from srgan_kit.data.image_folder import find_images, read_rgb, rgb_planes
from srgan_kit.devices import cpu_has_bf16
from srgan_kit.errors import UserError
from srgan_kit.images.grid import save_image
from srgan_kit.images.resize import crop_to_multiple, resize, resize_8bit
from srgan_kit.metrics.folder import Upscale, bicubic_upscaler, pair_images
from srgan_kit.metrics.lpips import PerceptualDistance, lpips_like
from srgan_kit.models.pretrained import pretrained_generators, pretrained_upscalers, read_summary
from srgan_kit.models.super_resolution import UpscalingModel, load_model
from srgan_kit.upscaling.upscaler import Upscaler

FOUND, PAGE = paths.RESULTS / "models.json", paths.GUIDE / "models.md"
PHOTO = paths.RESULTS / "photo.json"
STRIP = "Low resolution, bicubic, model, original"
SIDE, REPEATS = 256, 7


def quality(upscale: Upscale, scale: int, folder: Path, distance: PerceptualDistance) -> Figures:
    """Means over a set's images; nothing where it has no low-resolution files of this scale."""
    low_folder = folder / "LR_bicubic" / f"X{scale}"
    if not low_folder.is_dir():
        return {}
    pairs = pair_images(folder / "HR", low_folder, scale)
    images = ((read_rgb(pair.low), original(pair.high, scale)) for pair in pairs if pair.low is not None)
    return mean_figures(upscale, images, scale, distance)


def speed(model: UpscalingModel, compact: UpscalingModel) -> Figures:
    """Megapixels of input per second of the network alone, and its time over the compact checkpoint's.

    In fp32, and in bf16 where the CPU multiplies it.
    """
    pixels = photograph(SIDE)
    precisions = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if cpu_has_bf16() else {})
    work: dict[str, Work] = {
        f"{name} {precision}": bare(each, pixels, dtype, torch.channels_last)
        for name, each in (("own", model), ("compact", compact))
        for precision, dtype in precisions.items()
    }
    seconds = median_seconds(work, REPEATS)
    found: Figures = {}
    for precision in precisions:
        found[f"megapixels_per_second_{precision}"] = SIDE**2 / 1e6 / seconds[f"own {precision}"]
        found[f"time_against_compact_{precision}"] = seconds[f"own {precision}"] / seconds[f"compact {precision}"]
    return {name: round(value, 4) for name, value in found.items()} | {"threads": torch.get_num_threads()}


def measure(
    model: UpscalingModel, data: Path, distance: PerceptualDistance, speed_before: Figures | None
) -> dict[str, Figures]:
    """Everything that is said about a model; its speed is measured unless it is known from before."""
    upscale = Upscaler(model, "cpu", "fp32").upscale
    found: dict[str, Figures] = {}
    for name in ("Set5", "B100"):
        own = quality(upscale, model.scale, data / "sr_test" / name, distance)
        if own:
            bicubic = quality(bicubic_upscaler(model.scale), model.scale, data / "sr_test" / name, distance)
            found[name] = own | {f"bicubic_{figure}": value for figure, value in bicubic.items()}
            originals = checkerboard_of_originals(find_images(data / "sr_test" / name / "HR"), model.scale)
            found[name] |= {f"original_{figure}": value for figure, value in originals.items()}
    found["speed"] = speed_before or speed(model, load_model(data / COMPACT_FILE))
    return found


# --- what is written -------------------------------------------------------------------------------------------------


def table(found: dict[str, Figures]) -> str:
    """One model's figures, beside bicubic's."""
    rows = [
        f"| {name} | {m['psnr_y']:.2f} / {m['ssim_y']:.4f} | {m['bicubic_psnr_y']:.2f} / {m['bicubic_ssim_y']:.4f} "
        f"| {m['lpips_like']:.4f} | {m['bicubic_lpips_like']:.4f} | {pattern(m)} | {pattern(m, 'original_')} |"
        for name, m in found.items()
        if name != "speed"
    ]
    s = found["speed"]
    speed = (
        f"Speed on {s['threads']:.0f} CPU threads, fp32 / bf16: {both(s, 'megapixels_per_second', 3)} megapixels "
        f"of input per second; {both(s, 'time_against_compact', 2)} times the time of Real-ESRGAN's compact "
        "checkpoint in the same run." + ("" if "megapixels_per_second_bf16" in s else " A dash: that CPU has no bf16.")
    )
    return "\n".join(
        [
            "| test set | PSNR / SSIM on Y | bicubic | LPIPS-like | bicubic | phase imbalance / pattern | originals' |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            textwrap.fill(speed, 120, break_on_hyphens=False),
        ]
    )


def pattern(found: Figures, whose: str = "") -> str:
    """How unevenly luma changes over the phases of the pixel shuffle, and how strong a pattern it repeats."""
    return f"{found[f'{whose}lattice_ratio']:.3f} / {found[f'{whose}lattice_pattern']:.2f}"


def both(speed: Figures, figure: str, digits: int) -> str:
    """A figure in fp32 and bf16."""
    values = (speed.get(f"{figure}_{precision}") for precision in ("fp32", "bf16"))
    return " / ".join("–" if value is None else f"{value:.{digits}f}" for value in values)


def page(everything: dict[str, dict[str, Figures]], photos: Found | None = None) -> str:
    """docs/guide/models.md; the comparison on degraded photographs is left out where there is none yet."""
    quality, cost = [], []
    for name, found in everything.items():
        summary = read_summary(pretrained_upscalers()[name])
        sets = [f"{found[s]['psnr_y']:.2f} / {found[s]['ssim_y']:.4f}" if s in found else "–" for s in ("Set5", "B100")]
        b100, s = found.get("B100", {}), found["speed"]
        perceptual = [f"{b100['lpips_like']:.4f}", pattern(b100), pattern(b100, "original_")] if b100 else ["–"] * 3
        rate, ratio = both(s, "megapixels_per_second", 3), both(s, "time_against_compact", 2)
        card = f"[{name}](../../pretrained/{name}.md)"
        quality.append(f"| {' | '.join([card, f'x{summary.scale}', *sets, *perceptual])} |")
        size = f"{summary.bytes / 1e6:.1f} MB"
        cost.append(f"| {' | '.join([card, f'{summary.parameters:,}', size, ratio, rate, summary.licence])} |")
    quality_headings = ["model", "scale", "Set5", "B100", "LPIPS-like", "checkerboard", "originals'"]
    cost_headings = ["model", "parameters", "file", "time against compact", "MP/s", "licence"]
    strips = [f"![{name}: {STRIP.lower()}](../images/{name}.png)" for name in everything]
    return "\n".join(
        [
            "# Pretrained models",
            "",
            "`srgan-kit models` lists them; each has a card in `pretrained/`. This page is written by",
            "`scripts/pretrained/measure.py`.",
            "",
            *markdown_table(quality_headings, quality),
            "",
            "PSNR in dB and SSIM on Y by the protocol of [evaluation.md](evaluation.md), from the sets' own files of",
            "low resolution, in fp32. LPIPS-like: LPIPS's SqueezeNet heads on another training of SqueezeNet, on B100;",
            "lower is better. Checkerboard, on B100: how unevenly luma changes over the phases of the pixel shuffle, 1",
            "for evenly, and how strong a pattern it repeats there, in levels of 255 (`metrics/checkerboard.py`);",
            "beside it what the photographs themselves score. A dash: there are no files of this scale.",
            "",
            *markdown_table(cost_headings, cost),
            "",
            "In fp32 / bf16; a dash where the CPU had no bf16. Time against compact: time over that of Real-ESRGAN's",
            "compact network in the same run. MP/s: megapixels of input per second of the network alone at",
            f"{SIDE}x{SIDE}, median of {REPEATS}; those of different models may come from different machines.",
            "",
            *(["## Degraded photographs", "", section(photos), ""] if photos else []),
            *generators(),
            "## Images",
            "",
            "From left to right: input, bicubic, the model, the original. Below two photographs a page of text.",
            "",
            "\n\n".join(strips),
            "",
        ]
    )


def markdown_table(headings: list[str], rows: list[str]) -> list[str]:
    """A table's lines."""
    return [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}", *rows]


def generators() -> list[str]:
    """The pretrained generative models, in Markdown; what the figures mean is in their cards."""
    lines = [
        "## Generators",
        "",
        "| model | makes | system | parameters | file | measured |",
        "|---|---|---|---|---|---|",
    ]
    for name, path in pretrained_generators().items():
        summary = read_summary(path)
        measured = "; ".join(f"{figure} {value:g}" for figure, value in summary.measured.get("samples", {}).items())
        size = f"{summary.parameters:,} | {summary.bytes / 1e6:.1f} MB"
        lines.append(
            f"| [{name}](../../pretrained/{name}.md) | {summary.makes} | {summary.system} | {size} | {measured} |"
        )
    return [
        *lines,
        "",
        "Measured by `scripts/pretrained/release_generator.py`; the cards say what the figures mean.",
        "",
    ]


def with_table(card: str, content: str) -> str:
    """The card with its measured part replaced, or put at its end."""
    if "<!-- measured -->" not in card:
        card = f"{card.rstrip()}\n\n## Measured\n\n<!-- measured -->\n<!-- end of measured -->\n"
    return filled(card, {"measured": f"\n{content}\n"})


def crops() -> list[Tensor]:
    """(3, 128, 128) uint8 of scikit-image's images: an eye and a badge, a cat, a page of text."""
    from skimage import data

    places = ((data.astronaut(), 40, 160), (data.chelsea(), 90, 110), (data.page(), 30, 40))
    pictures = [(rgb_planes(each if each.ndim == 3 else each[..., None]), top, left) for each, top, left in places]
    return [image[:, top : top + 128, left : left + 128] for image, top, left in pictures]


def strip(model: UpscalingModel) -> Tensor:
    """Rows of input, bicubic, model and original; (3, H, W) in [0, 1]."""
    upscale = Upscaler(model, "cpu", "fp32").upscale
    rows: list[Tensor] = []
    for high in crops():
        high = crop_to_multiple(high, model.scale)
        low = resize_8bit(high, 1 / model.scale)
        made = rgb_planes(upscale(low.permute(1, 2, 0).contiguous().numpy()))
        nearest = F.interpolate(low[None].float(), scale_factor=model.scale, mode="nearest")[0]
        views = nearest, resize(low.float(), float(model.scale)).clamp(0, 255), made.float(), high.float()
        rows.append(torch.cat([F.pad(view, (2, 2, 2, 2), value=255) for view in views], dim=2))
    sheet = torch.cat(rows, dim=1) / 255
    return F.interpolate(sheet[None], scale_factor=2, mode="nearest")[0]


def write_header(path: Path, found: dict[str, Figures]) -> None:
    """Put the figures into the file's header."""
    metadata = load_model(path).metadata | {"measured": json.dumps(found)}
    with atomic_write(path) as temporary:
        save_file(load_file(path), temporary, metadata=metadata)


def main() -> None:
    """Measure the models named, or all, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pretrained super-resolvers; by default all")
    parser.add_argument("--headers", action="store_true", help="write the figures into the models' files")
    parser.add_argument("--keep-speed", action="store_true", help="where it is known, from a CPU with bf16 perhaps")
    parser.add_argument("--photo", action="store_true", help="compare on degraded photographs instead")
    parser.add_argument("--limit", type=int, metavar="N", help="with --photo: the first N photographs, only printed")
    options = parser.parse_args()
    if options.photo and (options.headers or options.keep_speed):
        parser.error("--photo compares and writes no headers: give no --headers and no --keep-speed with it")
    if options.limit is not None and (not options.photo or options.limit < 1):
        parser.error("--limit: expected --photo with it, and at least 1")
    files = pretrained_upscalers()
    if unknown := [name for name in options.names if name not in files]:
        parser.error(f"{unknown[0]!r}: expected one of {', '.join(files)}")
    data = paths.data_folder("test images and weights")
    try:
        everything: dict[str, dict[str, Figures]] = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
        photos: Found | None = json.loads(PHOTO.read_text()) if PHOTO.is_file() else None
        distance = lpips_like(data / "weights" / paths.NETWORKS["lpips"])
        if options.photo:
            photos = compare(data, distance.to(CPU), options.limit, options.names, None if options.limit else photos)
            if options.limit is not None:
                print(section(photos))
                return
            PHOTO.write_text(json.dumps(photos, indent=2) + "\n")
        for name in [] if options.photo else options.names or files:
            model = load_model(name)
            before = everything.get(name, {}).get("speed") if options.keep_speed else None
            everything[name] = measure(model, data, distance.to(CPU), before)
            save_image(strip(model), paths.IMAGES / f"{name}.png")
            card = files[name].with_suffix(".md")
            content = f"{table(everything[name])}\n\n![{STRIP}](../docs/images/{name}.png)"
            card.write_text(with_table(card.read_text(), content), encoding="utf-8")
            if options.headers:
                write_header(files[name], everything[name])
                write_onnx(name, files[name])
            everything = {name: everything[name] for name in files if name in everything}
            FOUND.write_text(json.dumps(everything, indent=2) + "\n")
    except (UserError, ValueError) as error:  # the second of weights that are not there
        sys.exit(f"error: {error}")
    PAGE.write_text(page(everything, photos), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
