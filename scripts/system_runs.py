"""A short run of every adversarial system on a CPU: the measured results and images of its page in docs/.

    SRGAN_KIT_DATA=... python scripts/system_runs.py                  # all of them, about 40 minutes on one core
    SRGAN_KIT_DATA=... python scripts/system_runs.py infogan catgan   # some of them
    python scripts/system_runs.py --render                            # docs/systems.json, images, lines of the pages

A run that was stopped goes on where it was; one that is finished is only measured again. The networks are narrower and
the runs far shorter than the recipes': they show that a system works, not what it can reach.
"""

import argparse
import json
import os
import re
import shutil
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from release_model import training_hours
from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Codes, Critique
from srgan_kit.generators.model import Model
from srgan_kit.images.grid import grid, save_image
from srgan_kit.metrics.classification import cluster_error
from srgan_kit.metrics.samples import ratio_to_real, sharpness
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import is_finished, train
from srgan_kit.training.run import Run

DOCS = Path(__file__).resolve().parent.parent / "docs"
MNIST, FLOWERS = "gan/mnist.npz", "gan/flowers64.npz"
VGG = "weights/vgg_normalised_conv3_1.pth"
COUNT = 1000
"""Images that a measure of generated images takes."""

Measure = Callable[[Run], dict[str, float]]


@dataclass(frozen=True)
class Short:
    """One run."""

    recipe: str
    data: str
    settings: tuple[str, ...]
    """What differs from the recipe."""
    measure: Measure
    files: tuple[str, ...] = ()
    """Settings whose value is a file below the data folder."""

    def command(self, data: str) -> list[str]:
        """What the same run is on the command line."""
        settings = [*self.settings, *(f"{key}={data}/{file}" for key, file in (each.split("=") for each in self.files))]
        return ["srgan-kit", "train", self.recipe, "--data", f"{data}/{self.data}"] + [
            part for setting in settings for part in ("--set", setting)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"by default all: {', '.join(RUNS)}")
    parser.add_argument("--runs", type=Path, default=Path("runs/systems"), help="where the runs lie")
    parser.add_argument("--render", action="store_true", help="write docs/ from the finished runs")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - RUNS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for name in arguments.names or RUNS:
        if arguments.render:
            collect(name, arguments.runs / name)
        else:
            one(name, Path(os.environ["SRGAN_KIT_DATA"]), arguments.runs / name)
    if arguments.render:
        render()


def one(name: str, data: Path, folder: Path) -> None:
    """Train it, or go on; then measure it."""
    short = RUNS[name]
    _, _, recipe_name, _, images, *settings = short.command(str(data))
    recipe = load_recipe(recipe_name, [each for each in settings if each != "--set"], Path(images))
    if not is_finished(folder):
        train(recipe, folder, resume=has_checkpoint(folder))
    run = restored(recipe, folder)
    torch.manual_seed(0)
    with torch.no_grad():
        measured = short.measure(run)
    result = {
        "command": " ".join(short.command("DATA")),
        "steps": run.step,
        "minutes": round(60 * training_hours(folder), 1),
        "generator_parameters": sum(p.numel() for p in run.model.parameters()),
        "critic_parameters": sum(p.numel() for p in run.critic.network.parameters()) if run.critic else 0,
        "measured": {key: float(f"{value:.4g}") for key, value in measured.items()},
    }
    if short.measure is infogan:
        save_image(traversal(run), folder / "picture.png")
    else:
        shutil.copy(sorted((folder / "sheets").iterdir())[-1], folder / "picture.png")
    (folder / "measured.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(name, result["measured"])


def restored(recipe: Recipe, folder: Path) -> Run:
    """The run as it was after its last step, in evaluation mode."""
    accelerator = Accelerator(cpu=True)
    run = Run(recipe, folder, accelerator, build_task(recipe, accelerator.device, folder))
    run.restore()
    exported(run).eval()
    if run.critic is not None:
        run.critic.network.eval()
    return run


# --- measures -------------------------------------------------------------------------------------------------------


def exported(run: Run) -> Model:
    """The averaged generator."""
    assert isinstance(run.average.network, Model)
    return run.average.network


def judged(run: Run, images: Tensor) -> Critique:
    """The critic's view of images, in parts; only what is measured here."""
    assert run.critic is not None
    parts = [run.critic.network(part) for part in images.split(250)]

    def joined(tensors: list[Tensor | None]) -> Tensor | None:
        return torch.cat([each for each in tensors if each is not None]) if tensors[0] is not None else None

    score = joined([part.score for part in parts])
    assert score is not None
    return Critique(
        score=score,
        class_logits=joined([part.class_logits for part in parts]),
        embedding=joined([part.embedding for part in parts]),
    )


def held_out(run: Run, count: int = 10_000) -> Batch:
    batch = run.task.held_out(count)
    assert batch is not None
    return batch


def generated(run: Run, count: int = COUNT) -> tuple[Tensor, Codes]:
    """Images of the averaged generator, and their codes."""
    model = exported(run)
    noise, codes = model.draw(count, torch.device("cpu"), torch.Generator().manual_seed(1))
    latent = model.vector(noise, codes)
    assert latent is not None
    return torch.cat([model.generate(part) for part in latent.split(250)]), codes


def samples(run: Run) -> dict[str, float]:
    """Diversity and sharpness of samples as parts of the held-out images'."""
    return run.task.validate(exported(run))


def clusters(run: Run, logits_of: Callable[[Tensor], Tensor]) -> float:
    """Error in percent of nameless classes: half of the held-out images name them, the other half are classified."""
    test = held_out(run)
    assert test.label is not None
    return 100 * cluster_error(torch.cat([logits_of(part) for part in test.image.split(250)]), test.label)


def gan(run: Run) -> dict[str, float]:
    return samples(run)


def f_gan(run: Run) -> dict[str, float]:
    """The divergence of held-out from generated images that the critic measures, and its standard error, in nats."""
    fake, _ = generated(run)
    value, error = losses.estimate_divergence(
        run.variant.divergence,  # pyright: ignore[reportAttributeAccessIssue]
        judged(run, held_out(run, COUNT).image).score,
        judged(run, fake).score,
    )
    return samples(run) | {"divergence": float(value), "error": float(error)}


def ebgan(run: Run) -> dict[str, float]:
    """Energies, and how alike the codes of samples are: 1 for a collapse, about 1 / size of the code for none."""
    fake = judged(run, generated(run)[0])
    assert fake.embedding is not None
    real = judged(run, held_out(run, COUNT).image)
    return samples(run) | {
        "energy_real": float(real.score.mean()),
        "energy_fake": float(fake.score.mean()),
        "pulling_away": float(losses.pulling_away(fake.embedding)),
    }


def infogan(run: Run) -> dict[str, float]:
    """Nats that Q reads of the code of classes, of at most ln 10, and the error of that code as a classifier."""
    assert run.critic is not None
    critic = run.critic.network
    fake, codes = generated(run)
    posterior = critic(fake).codes
    error = clusters(run, lambda images: critic(images).codes.categorical[0])
    deviation = float((posterior.mean - codes.continuous).square().mean().sqrt())
    known = losses.categorical_information(posterior.categorical[0], codes.categorical[:, 0])
    return samples(run) | {"information": float(known), "error_percent": error, "continuous_rmse": deviation}


def catgan(run: Run) -> dict[str, float]:
    """The clusters' error, and how sure the critic is of real and generated images, in nats."""
    assert run.critic is not None
    critic = run.critic.network
    real, fake = judged(run, held_out(run).image), judged(run, generated(run)[0])
    assert real.class_logits is not None
    assert fake.class_logits is not None
    return samples(run) | {
        "error_percent": clusters(run, lambda images: critic(images).class_logits),
        "entropy_real": float(losses.entropy_from_logits(real.class_logits)),
        "entropy_fake": float(losses.entropy_from_logits(fake.class_logits)),
        "marginal_entropy": float(losses.marginal_entropy(real.class_logits)),
    }


def classifier(run: Run) -> dict[str, float]:
    """Errors among the held-out images."""
    test = held_out(run)
    logits = judged(run, test.image).class_logits
    assert logits is not None
    assert test.label is not None
    return samples(run) | {"errors": float((logits.argmax(dim=1) != test.label).sum()), "images": float(len(logits))}


def reconstruction(run: Run) -> dict[str, float]:
    """PSNR, and sharpness as a part of the real images'."""
    batch = held_out(run, 64)
    made = exported(run).reconstruct(batch.image, batch.condition).clamp(0, 1)
    return run.task.validate(exported(run)) | {"sharpness": ratio_to_real(sharpness, made, batch.image)}


def inversion(run: Run) -> dict[str, float]:
    """The same, and how far the image's features are from those given, as a part of their own length."""
    batch = held_out(run, 64)
    assert batch.condition is not None
    made = exported(run).reconstruct(batch.image, batch.condition).clamp(0, 1)
    again = run.task.batch(((made * 255).round().to(torch.uint8), torch.full((len(made),), -1))).condition
    assert again is not None
    lost = (again - batch.condition).flatten(1).norm(dim=1) / batch.condition.flatten(1).norm(dim=1)
    return reconstruction(run) | {"feature_error": float(lost.mean())}


def traversal(run: Run) -> Tensor:
    """InfoGAN's codes: five rows of one noise each, columns the ten classes; then both numbers from -1.5 to 1.5."""
    model = exported(run)
    noise, _ = model.draw(5, torch.device("cpu"), torch.Generator().manual_seed(0))
    rows = [(noise[row].expand(10, -1), torch.arange(10), torch.zeros(10, 2)) for row in range(5)]
    for number in range(2):
        sweep = torch.zeros(10, 2)
        sweep[:, number] = torch.linspace(-1.5, 1.5, 10)
        rows += [(noise[row].expand(10, -1), torch.full((10,), 3 * row), sweep) for row in range(3)]
    latents = [model.vector(z, Codes(classes[:, None], numbers)) for z, classes, numbers in rows]
    return grid(torch.cat([model.generate(latent) for latent in latents]), columns=10)


# --- pages ----------------------------------------------------------------------------------------------------------


def collect(name: str, folder: Path) -> None:
    """Take a finished run into docs/."""
    if not (folder / "measured.json").exists():
        return
    path = DOCS / "systems.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results[name] = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    ordered = {each: results[each] for each in RUNS if each in results}
    path.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    picture = f"images/{name.replace('-', '_')}.png"
    if any(picture in page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")):
        shutil.copy(folder / "picture.png", DOCS / picture)


def render() -> None:
    """Fill `<!-- measured NAME: text with {keys} -->` ... `<!-- end -->` in the pages from docs/systems.json."""
    results = json.loads((DOCS / "systems.json").read_text(encoding="utf-8"))
    for page in sorted(DOCS.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = rendered(before, results)
        if after != before:
            page.write_text(after, encoding="utf-8")


def rendered(text: str, results: dict[str, dict]) -> str:
    """The page with its measured lines written anew."""

    def line(match: re.Match[str]) -> str:
        name, template = match["name"], " ".join(match["template"].split())
        if name not in results:
            return match[0]
        result = results[name]
        values = {key: result[key] for key in ("steps", "minutes")} | result["measured"]
        values |= {f"{key}_parameters": f"{result[f'{key}_parameters']:,}" for key in ("generator", "critic")}
        text = textwrap.fill(template.format(**values), 118, break_long_words=False, break_on_hyphens=False)
        command = f"```\n{wrapped(result['command'])}\n```"
        return f"<!-- measured {name}: {match['template']} -->\n{text}\n\n{command}\n<!-- end -->"

    pattern = r"<!-- measured (?P<name>[\w-]+): (?P<template>.*?) -->\n.*?<!-- end -->"
    return re.sub(pattern, line, text, flags=re.DOTALL)


def wrapped(command: str, width: int = 108) -> str:
    """The command in lines of a shell."""
    lines = [""]
    for part in re.findall(r"--set \S+|\S+", command):
        if len(lines[-1]) + len(part) > width:
            lines.append("  ")
        lines[-1] += part + " "
    return " \\\n".join(line.rstrip() for line in lines)


NARROW = ("generator.channels=32", "critic.channels=32")
RUNS = {
    "gan": Short("dcgan", MNIST, ("data.size=28", "data.channels=1", "data.augment=none", *NARROW, "steps=1000"), gan),
    "dcgan": Short("dcgan", FLOWERS, (*NARROW, "data.batch=32", "steps=1000"), gan),
    "f-gan": Short("f-gan", MNIST, ("steps=4000",), f_gan),
    "ebgan": Short("ebgan", MNIST, ("steps=4000",), ebgan),
    "infogan": Short("infogan", MNIST, (*NARROW, "steps=1500"), infogan),
    "infogan-q": Short("infogan", MNIST, (*NARROW, "variant.information_trains=q", "steps=1500"), infogan),
    "catgan": Short("catgan", MNIST, ("steps=4000",), catgan),
    "improved-gan": Short("improved-gan", MNIST, ("steps=3000",), classifier),
    "labels-only": Short("improved-gan", MNIST, ("critic_weights.unlabelled=0", "steps=1000"), classifier),
    "autoencoder": Short(
        "autoencoder",
        FLOWERS,
        ("data.size=48", "generator.channels=32", "encoder.channels=32", "data.batch=32", "steps=800"),
        reconstruction,
    ),
    "vae-gan": Short(
        "vae-gan",
        FLOWERS,
        ("data.size=48", *NARROW, "encoder.channels=32", "data.batch=32", "steps=800"),
        reconstruction,
    ),
    "deepsim": Short(
        "deepsim",
        FLOWERS,
        ("data.size=48", *NARROW, "data.batch=16", "steps=600"),
        inversion,
        (f"perceptual.weights={VGG}",),
    ),
}
"""Every page's run."""


if __name__ == "__main__":
    main()
