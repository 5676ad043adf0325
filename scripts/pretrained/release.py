"""Turn a finished run into a pretrained super-resolver: write pretrained/NAME.safetensors and its model card.

    python -m scripts.pretrained.release runs/x4-perceptual x4-perceptual --fails "What you saw."

The run is a run folder, or a folder of them as `scripts/pretrained/train.py` makes: then the last stage is released,
and the card lists all. Measurements are added to the card afterwards by `scripts/pretrained/measure.py NAME --headers`.
"""

import argparse
import json
import sys
from pathlib import Path

from scripts.lib import paths
from scripts.pretrained.cards import (
    COMPARING,
    LICENCE,
    PURPOSE,
    origin,
    purpose_of,
    stage_line,
    stages_of,
    upscaler_card,
)
from srgan_kit.errors import UserError
from srgan_kit.models.super_resolution import generator_config, load_model, save_model
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.loop import MODEL
from srgan_kit.training.telemetry import LOG

PRETRAINED = paths.PRETRAINED
TRAINING_DATA = "BSDS500 train+test (400, non-commercial research), CC0 photographs (582 crops)"
TERMS = """\
The weights are under Apache-2.0, as the code is. Of the training images, the 582 crops of 384x384 are from
public-domain (CC0) photographs (budgie-backgrounds and the public-domain part of pop-os/wallpapers); the other 400 are
the `train` and `test` images of BSDS500, which the Berkeley Segmentation Data Set offers for non-commercial research.
Whether weights inherit terms from the images they were trained on is unsettled; who needs certainty for commercial use
should train again on images of their own with the same recipe."""


def validation_of(run: Path) -> str:
    """The last validation in the run's log; nothing where there was none."""
    validation = json.loads((run / "recipe.json").read_text(encoding="utf-8"))["validation"]
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    found = [line["validation/psnr_y"] for line in lines if "validation/psnr_y" in line]
    if not found:
        return ""
    on = f"{validation['holdout']} of the training images, kept out"
    if validation["folder"]:
        on = "images of a folder of its own"
    return f"{found[-1]:.2f} dB on {on}"


def card(name: str, stages: list[Path], fails: str) -> str:
    """The model card, in Markdown, without what is measured."""
    recipes = [Recipe.model_validate_json(load_model(stage / MODEL).metadata["recipe"]) for stage in stages]
    compared = [text for term, text in COMPARING.items() if any(each.generator_weights.get(term) for each in recipes)]
    starts = dict.fromkeys(filter(None, map(origin, stages)))
    about = {
        "training": "<br>".join(stage_line(stage) for stage in stages),
        "training data": TRAINING_DATA,
        "compared by": "; ".join(compared),
        "held-out validation": validation_of(stages[-1]),
    }
    terms = [TERMS, *(f"It started from {start}, whose card says what that one learnt from." for start in starts)]
    settings = generator_config(load_model(stages[-1] / MODEL).metadata["generator"])
    return upscaler_card(name, settings, about, "\n\n".join(terms), fails)


def main() -> None:
    """Write the weights and the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a finished training, or a folder of its stages")
    parser.add_argument("name", help="name of the pretrained model")
    parser.add_argument("--fails", required=True, help="for the card: where it fails, as you saw it in its images")
    options = parser.parse_args()
    if not purpose_of(options.name):
        parser.error(f"{options.name!r}: expected a name with one of {', '.join(PURPOSE)} in it")
    try:
        stages = stages_of(options.run)
        model = load_model(stages[-1] / MODEL)
        text = card(options.name, stages, options.fails)
    except UserError as error:
        sys.exit(f"error: {error}")
    recipe = Recipe.model_validate_json(model.metadata["recipe"]).without_paths().model_dump_json()
    metadata = {"recipe": recipe, "steps": model.metadata["steps"], "licence": LICENCE, "training_data": TRAINING_DATA}
    settings = generator_config(model.metadata["generator"])  # not the recipe's, which may have branches
    save_model(model.network, settings, PRETRAINED / f"{options.name}.safetensors", metadata)
    (PRETRAINED / f"{options.name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
