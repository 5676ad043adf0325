"""Fine-tuning by the command's own code on three kinds of images, measured on images that no run saw.

    SRGAN_KIT_DATA=... python -m scripts.experiments.finetuning [--minutes 10] [NAME...]    then the table of the guide

Drawn pages of text, photographs of one subject (cut from one large photograph), and 64x64 photographs of flowers. Each
starts from a pretrained model and has thirty images or fewer. A kind whose run folder exists is only measured again.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.lib import paths
from scripts.lib.experiment import hardware
from scripts.lib.pages import fill
from scripts.lib.text_pages import text_page
from srgan_kit.data.image_folder import find_images, rgb_planes
from srgan_kit.images.resize import crop_to_multiple, resize_8bit
from srgan_kit.metrics.folder import bicubic_upscaler
from srgan_kit.metrics.psnr_ssim import psnr_y
from srgan_kit.training.finetune import fine_tune
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS = paths.RESULTS / "finetuning.json"
PAGE = paths.GUIDE / "fine-tuning.md"
TRAINED, TESTED = 30, 20
SIDE, SEED = 256, 11
SUBJECT = "singaporean-cityscape"
"""Of the CC0 photographs, whose crops at two sizes the pretrained models have not seen."""


@dataclass(frozen=True)
class Kind:
    """A kind of images."""

    start: str
    """The model to start from."""
    images: Callable[[Path], Iterator[np.ndarray]]
    """(H, W, 3) uint8 from the data folder, the same ones each time."""


def text(data: Path) -> Iterator[np.ndarray]:
    """Pages of text."""
    return (text_page(SIDE, np.random.default_rng((SEED, number))) for number in range(TRAINED + TESTED))


def subject(data: Path) -> Iterator[np.ndarray]:
    """Crops of photographs of one subject, every other one for the test."""
    files = [path for path in find_images(data / "sr_train" / "cc0") if SUBJECT in path.name]
    for path in [*files[::2], *files[1::2]]:
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB"))


def flowers(data: Path) -> Iterator[np.ndarray]:
    """Small photographs of flowers."""
    every = np.load(data / "gan" / "flowers64.npz")["images"]
    return iter(every[np.random.default_rng(SEED).permutation(len(every))[: TRAINED + TESTED]])


KINDS = {
    "pages of text": Kind("x4-fidelity", text),
    "one subject": Kind("x4-fidelity", subject),
    "flowers": Kind("x2-fidelity", flowers),
}


def measured(kind: Kind, data: Path, folder: Path, minutes: float) -> dict[str, object]:
    """Fine-tune where that was not done yet; PSNR of bicubic, start and result on the test images."""
    everything = list(kind.images(data))
    trained = everything[: TRAINED if len(everything) >= TRAINED + TESTED else len(everything) // 2]
    tested = everything[len(trained) : len(trained) + TESTED]
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(trained):
        Image.fromarray(image).save(images / f"{number:02d}.png")
    report = folder / "report.json"
    if not report.exists():
        result = fine_tune(images, kind.start, minutes, folder / "run")
        held_out = {"held_out": result.before.images, "held_out_before": result.before.psnr}
        held_out |= {"held_out_after": result.after, "learning_rate": result.learning_rate}
        steps = result.outcome.step if result.outcome else 0
        report.write_text(json.dumps(held_out | {"steps": steps, "minutes": minutes}), encoding="utf-8")
    upscalers = {"start": Upscaler(kind.start, "cpu", "fp32"), "result": Upscaler(folder / "run", "cpu", "fp32")}
    scale = int(upscalers["start"].scale)
    values: dict[str, list[float]] = {"bicubic": [], "start": [], "result": []}
    for image in tested:
        high = crop_to_multiple(rgb_planes(image), scale)
        low = resize_8bit(high, 1 / scale).permute(1, 2, 0).numpy()
        for name in values:
            upscale = bicubic_upscaler(scale) if name == "bicubic" else upscalers[name].upscale
            values[name].append(float(psnr_y(rgb_planes(upscale(low))[None], high[None], scale)))
    means = {name: round(statistics.fmean(each), 3) for name, each in values.items()}
    counts = {"start_model": kind.start, "trained": len(trained), "tested": len(tested)}
    return counts | means | json.loads(report.read_text(encoding="utf-8"))


def table(found: dict[str, dict[str, object]]) -> str:
    """The table of the guide."""
    lines = [
        "| images | start | trained on | rate | bicubic | start | fine-tuned | gain |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, each in found.items():
        before, after = float(each["start"]), float(each["result"])  # pyright: ignore[reportArgumentType]
        lines.append(
            f"| {name} | `{each['start_model']}` | {each['trained']} | {each['learning_rate']:g} "
            f"| {each['bicubic']:.2f} | {before:.2f} | {after:.2f} | {after - before:+.2f} |"
        )
    minutes = sorted({f"{each['minutes']:g}" for each in found.values()})
    hardwares = sorted({str(each["hardware"]) for each in found.values()})
    lines += ["", f"PSNR on luma in dB of other images of the kind; {' or '.join(minutes)} minutes each on"]
    return "\n".join([*lines, f"{'; '.join(hardwares)}. `python -m scripts.experiments.finetuning`"])


def main(argv: list[str] | None = None) -> None:
    """Fine-tune, measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(KINDS)}; by default all")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each (default: 10)")
    parser.add_argument("--work", type=Path, default=Path("runs/experiments/finetuning"), help="where runs lie")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - KINDS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    data = paths.data_folder("images")
    found = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else {}
    for name in options.names or KINDS:
        found[name] = measured(KINDS[name], data, options.work / name.replace(" ", "-"), options.minutes)
        found[name]["hardware"] = hardware()
        found = {each: found[each] for each in KINDS if each in found}
        options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table(found))
    if options.results == RESULTS:
        fill(PAGE, {"finetuning": table(found)})


if __name__ == "__main__":
    main()
