"""VAE/GAN: is a similarity that a critic learned better than one of pixels? Larsen et al. 2015, arXiv:1512.09300.

    SRGAN_KIT_DATA=... python -m scripts.experiments.vae_gan [--minutes M]   goes on where it stopped
    python -m scripts.experiments.vae_gan --smoke                            a few steps of everything

One encoder and one decoder are trained on digits and on flowers: as a VAE (pixels), as a VAE whose reconstructions are
compared in the features of a GAN's critic ("VAE_Disl"), and as VAE/GAN. Networks that none was trained on judge them.
Then VAE/GAN fine-tunes a super-resolver beside a control without it.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from scripts.experiments.vae_gan.measures import (
    Numbers,
    attribute_arithmetic,
    attribute_measures,
    codes,
    decoded,
    digits,
    kl,
    reconstructions,
    samples,
)
from scripts.experiments.vae_gan.pictures import arithmetic_sheet, one_below_another, reconstruction_sheet
from scripts.experiments.vae_gan.plans import FLOWERS, MNIST, SYSTEMS, Images, super_resolver
from scripts.lib import paths
from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.few_images import images_of
from scripts.lib.mnist_classifier import FULL, QUICK, mnist_classifier
from scripts.lib.quality import as_exported
from srgan_kit.contracts import Batch
from srgan_kit.images.grid import save_image
from srgan_kit.metrics.lpips import lpips_like
from srgan_kit.models.generative import load_saved
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks.image_data import ImageData

ROWS = {
    "feature_distance": ("distance in a classifier's features, part of their length", "lower"),
    "errors_percent": ("digits that the classifier misreads, %", "lower"),
    "lpips_like": ("LPIPS-like", "lower"),
    "sharpness": ("sharpness, part of the originals'", None),
    "sharpness_away": ("how far sharpness is from the originals', doublings", "lower"),
    "psnr": ("PSNR, dB", None),
    "kl": ("nats in a code", None),
    "frechet": ("Fréchet distance of samples, the classifier's features", "lower"),
    "changed_percent": ("arithmetic: changes of class that the classifier sees, %", "higher"),
    "slant_kept": ("arithmetic: slant kept, correlation", "higher"),
    "ink_kept": ("arithmetic: ink kept, correlation", "higher"),
    "width_kept": ("arithmetic: width kept, correlation", "higher"),
}
"""What is measured, and which way is better; None for what is no contest."""


def main(argv: Sequence[str] | None = None) -> None:
    exp = open_experiment(
        "vae_gan",
        "VAE/GAN: a learned similarity beside pixels",
        "Larsen et al. 2015, arXiv:1512.09300, sec. 4; the paper gives these comparisons as pictures, without numbers",
        __doc__,
        argv,
    )
    found: dict[str, dict[str, Numbers]] = {}
    for images in (MNIST, FLOWERS):
        batch = held_out(exp, images)
        found[images.name] = images.runs(exp, partial(MEASURED[images.name], exp, batch))
        exp.figures += figures(images.name, found[images.name])
    if sheets := [drawn for images in (FLOWERS, MNIST) if (drawn := sheet(exp, images)) is not None]:
        exp.images.mkdir(parents=True, exist_ok=True)
        save_image(one_below_another(sheets), exp.images / "vae_gan.png")
    found["super-resolution"] = super_resolution(exp)
    exp.settings = {
        each.name: {"side": each.size, "width": each.width, "batch": each.batch, "steps": each.steps, "seed": 0}
        for each in (MNIST, FLOWERS)
    }
    exp.settings |= {"super-resolution": "400 steps from x4-fidelity by perceptual-x4, patches of 24, batch 8, seed 0"}
    exp.notes.append(
        "The goal of each learned similarity is what the VAE on pixels reaches with the same encoder and decoder, "
        "and of the super-resolver what it started from."
    )
    exp.write(found=found)


def held_out(exp: Experiment, images: Images) -> Batch:
    """Images that no run was trained on, the same for all."""
    settings = [f"data.size={images.size}", f"data.channels={images.channels}"]
    recipe = load_recipe("vae-gan", settings, images_of(exp, images.file))
    batch = ImageData(recipe, torch.device("cpu"), exp.work).held_out(200 if exp.smoke else 4000)
    assert batch is not None
    return batch


def measured_on_digits(exp: Experiment, batch: Batch, folder: Path) -> Numbers:
    """What is measured of a finished run on digits."""
    assert batch.label is not None
    model = load_saved(folder).model
    made = decoded(model, codes(model, batch.image))
    classifier = mnist_classifier(QUICK if exp.smoke else FULL)
    found = reconstructions(made, batch.image) | {"kl": kl(model, batch.image)}
    found |= digits(classifier, made, batch.image, batch.label)
    found |= samples(model, classifier, batch.image)
    changed = attribute_arithmetic(model, batch.image, batch.label)
    return found | attribute_measures(changed, second_half(batch), classifier)


def measured_on_flowers(exp: Experiment, batch: Batch, folder: Path) -> Numbers:
    """What is measured of a finished run on photographs."""
    model = load_saved(folder).model
    made = decoded(model, codes(model, batch.image))
    distance = lpips_like(exp.data / "weights" / paths.NETWORKS["lpips"])
    found = reconstructions(made, batch.image) | {"kl": kl(model, batch.image)}
    return found | {"lpips_like": float(distance(made, batch.image).mean())}


MEASURED = {MNIST.name: measured_on_digits, FLOWERS.name: measured_on_flowers}


def second_half(batch: Batch) -> Tensor:
    """The images that are changed by arithmetic; the first half gives the means."""
    return batch.image[len(batch.image) // 2 :]


def sheet(exp: Experiment, images: Images) -> Tensor | None:
    """Arithmetic with digits, or reconstructions of flowers, by all systems; None if a run does not lie here."""
    folders = exp.folders(images.folder(name) for name in SYSTEMS)
    if not folders:
        return None
    models, batch = [load_saved(folder).model for folder in folders], held_out(exp, images)
    if images is FLOWERS:
        return reconstruction_sheet(batch.image, [decoded(model, codes(model, batch.image)) for model in models])
    assert batch.label is not None
    changed = [attribute_arithmetic(model, batch.image, batch.label) for model in models]
    return arithmetic_sheet(second_half(batch), changed)


def figures(data: str, measured: dict[str, Numbers]) -> list[Figure]:
    """A row for each measure and system; the goal of the learned similarities is the VAE on pixels."""
    rows: list[Figure] = []
    for key, (measure, better) in ROWS.items():
        for name, values in measured.items():
            if key not in values:
                continue
            goal = measured.get("vae", {}).get(key) if name != "vae" and better else None
            better_way = "higher" if better == "higher" else "lower"
            rows.append(Figure(measure, f"{SYSTEMS[name]}, {data}", values[key], goal=goal, better=better_way))
    return rows


def super_resolution(exp: Experiment) -> dict[str, Numbers]:
    """The exported image of VAE/GAN after some steps, beside the model it started from and a control."""
    found: dict[str, Numbers] = {"start": as_exported("x4-fidelity", exp.data, 1 if exp.smoke else 20)}

    def measured(folder: Path) -> Values:
        return as_exported(str(folder / "model.safetensors"), exp.data, 1 if exp.smoke else 20)

    for name in ("control", "vae-gan"):
        values = super_resolver(exp, name, measured)
        if values is not None:
            found[name] = values
    labels = {"start": "x4-fidelity, the start", "control": "the same steps without a system", "vae-gan": "VAE/GAN"}
    goal = found["start"]["lpips_like"]
    for name, values in found.items():
        wanted = None if name == "start" else goal
        exp.figures.append(
            Figure("LPIPS-like, x4, B100's first 20", f"{labels[name]}, exported", values["lpips_like"], goal=wanted)
        )
    for name, values in found.items():
        exp.figures.append(Figure("PSNR on luma, dB, the same", labels[name], values["psnr_y"], better="higher"))
    return found


if __name__ == "__main__":
    main()
