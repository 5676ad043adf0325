"""Turn a finished generative run into a pretrained model: measure it, write pretrained/NAME.safetensors, card, image.

    SRGAN_KIT_DATA=... python -m scripts.pretrained.release_generator infogan-mnist runs/experiments/infogan/narrow-0 \\
        --fails "What you saw."

The run is one of an experiment's, or of `srgan-kit train`. Weights are stored, and measured, in 16 bits.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from scripts.lib import paths
from scripts.lib.generative_measures import COMPARED, DEEPEST, code_names, infogan, photographs, traversal
from scripts.lib.pages import wrapped
from scripts.lib.runs import exported, held_out, restored, training_hours
from scripts.pretrained.cards import LICENCE
from srgan_kit.atomic import atomic_write
from srgan_kit.critics.heads import CodeHead
from srgan_kit.errors import UserError
from srgan_kit.images.grid import grid, save_image
from srgan_kit.metrics.likelihood import SAMPLES, bounds
from srgan_kit.models.generative import SavedModel, load_saved
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.variant import variant_name
from srgan_kit.tasks.unconditional import fixed_images
from srgan_kit.training.loop import MODEL, is_finished
from srgan_kit.training.run import Run
from srgan_kit.training.telemetry import LOG

PRETRAINED, IMAGES = paths.PRETRAINED, paths.IMAGES
LARGEST = 4e6
"""Bytes of a file."""
TESTED = 1000
"""Test images whose likelihood is measured."""


@dataclass(frozen=True)
class Generator:
    """What is said of one generator."""

    title: str
    images: str
    """Its training images, below SRGAN_KIT_DATA."""
    use: str
    """Commands, each with what it shows."""
    data: str
    terms: str
    measure: Callable[[Run], dict[str, float]]
    meaning: str
    """What the measured figures mean."""
    picture: Callable[[Run], Tensor]
    prepare: Callable[[Run], None] = lambda run: None
    """Done to the run before it is measured and its averaged generator stored."""


# --- measures -------------------------------------------------------------------------------------------------------


def digits_of_codes(run: Run) -> dict[str, float]:
    """What Q reads of the codes, and the error of the first as a classifier of test images."""
    found = infogan(run)
    return {("class error, %" if name == "error_percent" else name.replace("_", " ")): found[name] for name in found}


def in_order_of_digits(run: Run) -> None:
    """Give the codes of classes the numbers of the digits that name them: in the generator's first layer, and in Q."""
    order = code_names(run).argsort(stable=True)
    model = exported(run)
    first, last = model.latent.noise, model.latent.noise + len(order)
    layer = next(each for each in model.decoder.modules() if isinstance(each, nn.Linear | nn.ConvTranspose2d))
    inputs = layer.weight.T if isinstance(layer, nn.Linear) else layer.weight  # a row for each number of the latent
    inputs[first:last] = inputs[first:last][order]
    assert run.critic is not None
    head = next(each for each in run.critic.network.modules() if isinstance(each, CodeHead)).layers[-1]
    for parameter in head.parameters():
        parameter[: len(order)] = parameter[: len(order)][order]


def vae(run: Run) -> dict[str, float]:
    """Bounds on the negative log likelihood of test images, binarised as in training, in nats."""
    found = bounds(exported(run), run.variant, held_out(run, TESTED).image)
    return {"-ELBO, nats": float(found["elbo"].mean()), f"IWAE-{SAMPLES}, nats": float(found["iwae"].mean())}


def sheet(run: Run) -> Tensor:
    """64 samples."""
    return grid(fixed_images(exported(run), 64, torch.device("cpu")))


UNSETTLED = "Whether weights inherit terms from the images they were trained on is unsettled."
MNIST = "MNIST (60,000 digits, CC BY-SA 3.0)"
MNIST_TERMS = f"""\
The weights are under Apache-2.0, as the code is. They were trained on MNIST (LeCun and Cortes), whose images are under
CC BY-SA 3.0. {UNSETTLED}"""
SPREAD = """\
Diversity and sharpness are parts of what held-out images score: 1 is as diverse and as sharp
(`srgan_kit/metrics/samples.py`)."""
GENERATORS: dict[str, Generator] = {
    "dcgan-flowers": Generator(
        "Photographs of flowers, 64x64 RGB, by a DCGAN.",
        "gan/flowers64.npz",
        """\
srgan-kit generate dcgan-flowers                              # samples.png, 64 flowers
srgan-kit generate dcgan-flowers --interpolate -o between.png""",
        "TensorFlow's flower photographs (3,670 at 64x64, CC BY 2.0)",
        f"""\
The weights are under Apache-2.0, as the code is. They were trained on the flower photographs that TensorFlow's
tutorials use, each under CC BY 2.0 by its own author. {UNSETTLED}""",
        photographs,
        f"""\
{SPREAD} Feature distance is the Fréchet distance of {COMPARED:,} samples from the training
images, on the means of SqueezeNet's {DEEPEST}, and "of real images" that of one half of these from the other: not the
published FID, and comparable only among models measured so. Nearest is how far samples are from their nearest training
image at 16x16, over the same of held-out images: much less than 1 would be copying.""",
        sheet,
    ),
    "infogan-mnist": Generator(
        "Handwritten digits, 28x28 grey, by an InfoGAN, trained without labels.",
        "gan/mnist.npz",
        """\
srgan-kit generate infogan-mnist --class 7 -o sevens.png
srgan-kit generate infogan-mnist --traverse continuous.0 -o code.png   # along a row only this code changes""",
        MNIST,
        MNIST_TERMS,
        digits_of_codes,
        f"""\
{SPREAD} Information is what Q reads of the code of classes in generated images, in nats, of
at most ln 10 = 2.303, and real information how sure it is of test images while it uses all codes; class error is that
code as a classifier of the test images; continuous rmse is the error of Q's guess of the two numbers, which are uniform
on [-1, 1]. Labels had no part in training. After it, the ten codes were put in the order of the digits that most test
images of each show.""",
        traversal,
        in_order_of_digits,
    ),
    "vae-mnist": Generator(
        "Handwritten digits, 28x28 black and white, by a variational auto-encoder.",
        "gan/mnist.npz",
        """\
srgan-kit generate vae-mnist                                  # samples.png, 64 digits
srgan-kit generate vae-mnist --interpolate -o between.png
srgan-kit reconstruct vae-mnist digits/ -o pairs.png           # images, with what the code keeps of them""",
        MNIST,
        MNIST_TERMS,
        vae,
        f"""\
Upper bounds on the mean negative log likelihood of {TESTED:,} test images, each value drawn black or white by its grey
value, in nats: the negative ELBO, and the importance-weighted bound with {SAMPLES:,} samples.""",
        sheet,
    ),
}


# --- releasing ------------------------------------------------------------------------------------------------------


def finished_run(name: str, folder: Path, data: Path) -> Run:
    """The run as it was after its last step.

    Raises:
        UserError: it is no run folder, or not finished.
    """
    if not is_finished(folder):
        raise UserError(f"{folder}: expected the folder of a finished run, with {MODEL} of its last step")
    for file in ("recipe.json", LOG):
        if not (folder / file).is_file():
            raise UserError(f"{folder}: has no {file}, from which the card says how it was trained")
    recipe = Recipe.model_validate_json((folder / "recipe.json").read_text(encoding="utf-8"))
    images = recipe.data.model_copy(update={"folder": data / GENERATORS[name].images})
    recipe = recipe.model_copy(update={"data": images, "device": "cpu"})
    return restored(recipe, folder)


def round_weights(run: Run) -> dict[str, Tensor]:
    """Give the averaged generator the values that 16 bits hold; its tensors, in 16 bits where they are fractions."""
    state = exported(run).state_dict()
    stored = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    exported(run).load_state_dict(stored)
    return {name: value.contiguous() for name, value in stored.items()}


def one_line(text: str) -> str:
    """Without its own ends of lines."""
    return " ".join(text.split())


def trained(saved: SavedModel, folder: Path) -> str:
    """How the run was trained, in a line of the card."""
    recipe, steps = saved.recipe, int(saved.metadata["steps"])
    terms = " + ".join(f"{weight:g} {term}" for term, weight in recipe.generator_weights.items() if weight)
    size = f"{recipe.data.size}x{recipe.data.size}"
    return (
        f"recipe {recipe.name}: {steps:,} steps, {steps * recipe.data.batch:,} images of {size}, system "
        f"{variant_name(recipe.variant)}, {terms}, {duration(training_hours(folder))} of steps"
    )


def duration(hours: float) -> str:
    """In the largest unit of which there is more than one."""
    for unit, name in ((1, "hours"), (60, "minutes")):
        if hours * unit > 1:
            return f"{hours * unit:.1f} {name}"
    return f"{3600 * hours:.0f} seconds"


def card(name: str, folder: Path, measured: dict[str, float], fails: str) -> str:
    """The model card, in Markdown."""
    about = GENERATORS[name]
    saved = load_saved(folder)
    parameters = sum(weight.numel() for weight in saved.model.state_dict().values())
    rows = "\n".join(f"| {figure} | {value:g} |" for figure, value in measured.items())
    settings = json.dumps(saved.recipe.generator.model_dump(exclude={"name"}, exclude_defaults=True))
    latent = saved.recipe.latent
    codes = f", categorical codes {list(latent.categorical)}" if latent.categorical else ""
    codes += f", {latent.continuous} continuous" if latent.continuous else ""
    return f"""\
# {name}

{about.title}

```
{about.use}
```

![Made by {name}](../docs/images/{name}.png)

| | |
|---|---|
| architecture | `{saved.recipe.generator.name}` {settings} |
| parameters | {parameters:,} |
| made of | {latent.noise} Gaussian numbers{codes} |
| training | {trained(saved, folder)} |
| training data | {about.data} |
| licence | {LICENCE}, see below |

| measured | |
|---|---|
{rows}

{wrapped(f"{one_line(about.meaning)} Measured by `scripts/pretrained/release_generator.py`.")}

## Terms

{wrapped(one_line(about.terms))}

## Where it fails

{wrapped(fails)}
"""


def main() -> None:
    """Measure, write weights, card and image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=GENERATORS)
    parser.add_argument("run", type=Path, help="folder of the finished run")
    parser.add_argument("--fails", required=True, help="for the card: where it fails, as you saw it in its images")
    options = parser.parse_args()
    data = paths.data_folder("training images")
    name = options.name
    try:
        run = finished_run(name, options.run, data)
        torch.manual_seed(0)
        with torch.no_grad():
            GENERATORS[name].prepare(run)
            stored = round_weights(run)
            size = sum(value.numel() * value.element_size() for value in stored.values())
            if size > LARGEST:
                raise UserError(f"{options.run}: would have {size / 1e6:.1f} MB, more than {LARGEST / 1e6:g}")
            found = GENERATORS[name].measure(run)
            save_image(GENERATORS[name].picture(run), IMAGES / f"{name}.png")
    except UserError as error:
        sys.exit(f"error: {error}")
    measured = {figure: float(f"{value:.4g}") for figure, value in found.items()}
    own = {"licence": LICENCE, "training_data": GENERATORS[name].data, "measured": json.dumps({"samples": measured})}
    metadata = load_saved(options.run).metadata | own
    with atomic_write(PRETRAINED / f"{name}.safetensors") as temporary:
        save_file(stored, temporary, metadata=metadata)
    (PRETRAINED / f"{name}.md").write_text(card(name, options.run, measured, options.fails), encoding="utf-8")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
