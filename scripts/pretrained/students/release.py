"""Turn a trained student into a pretrained model: write pretrained/NAME.safetensors and its model card.

    python -m scripts.pretrained.students.release runs/students x4-fidelity --fails "What you saw."

The folder is what `scripts/pretrained/students/train.py` wrote. Measurements are added to the card
afterwards by `scripts/pretrained/measure.py NAME --headers`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from scripts.lib import paths
from scripts.pretrained.cards import COMPARING, LICENCE, upscaler_card
from scripts.pretrained.students.stages import STAGES, Stage, config_of
from scripts.pretrained.students.train import LOG
from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.models.super_resolution import load_model, save_model

TRAINING_DATA = (
    "BSDS500 train+test (376 images, non-commercial research), CC0 photographs (550 crops), sharp photographs (398 "
    "crops: public domain, MIT, Unsplash and Pexels licences, CC-BY)"
)
TEACHERS = {
    "fidelity": "SMFANet+ (Apache-2.0; trained on DIV2K and Flickr2K, which are for academic research)",
    "photo": "Real-ESRGAN x4plus (BSD-3-Clause; trained on DIV2K, Flickr2K and OutdoorSceneTraining)",
}
TARGETS = {
    "fidelity": "absolute, then squared distances to the originals and, with more weight, to the teacher's answers",
    "perceptual": "pixels, LPIPS and VGG19 features, consistency with the input, terms against a checkerboard",
    "photo": "pixels, LPIPS and VGG19 features, terms against a checkerboard; targets are the teacher's answers to "
    "degraded images, the originals of clean images and of drawn pages of text",
}
BORDER = "4"
"""Pixels by which images are continued: without them a flat colour gets a frame."""
TERMS = f"""\
The weights are under {LICENCE}, as the code is. The training images have terms of their own (above): BSDS500 is
offered for non-commercial research, 84 of the sharp photographs are under CC-BY, the rest is in the public domain or
under permissive licences. So have the networks that it learnt from. Whether weights inherit terms from what they were
trained on is unsettled; who needs certainty for commercial use should train again on images of their own."""


def release(folder: Path, stage: Stage, fails: str) -> None:
    """Write the weights and the card.

    Raises:
        UserError: the folder has no such student, or no log of its training, or it was trained without a part of the
            images, which the card's text does not know.
    """
    try:
        log = json.loads((folder / LOG).read_text(encoding="utf-8"))
        trained = log[stage.name]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder / LOG}: expected the log of {stage.name}'s training ({error!r})") from None
    if left_out := trained.get("left_out"):
        names = " and ".join(left_out)
        raise UserError(f"{folder / LOG}: {stage.name} was trained without {names}; expected one of all images")
    model = load_model(folder / f"{stage.name}.safetensors")
    metadata = {"licence": LICENCE, "training_data": TRAINING_DATA, "training": training(stage, trained, log)}
    metadata["border"] = BORDER
    save_model(model.network, config_of(stage), paths.PRETRAINED / f"{stage.name}.safetensors", metadata)
    with atomic_write(paths.PRETRAINED / f"{stage.name}.md") as temporary:
        temporary.write_text(card(stage, training(stage, trained, log), fails), encoding="utf-8")


def training(stage: Stage, trained: dict[str, Any], log: dict[str, Any]) -> str:
    """How it was trained, in a line."""
    parts: list[str] = []
    part: dict[str, Any] | None = trained
    while part is not None:
        crops = f"{part['steps'] * part['batch']:,} crops of {part['patch']}x{part['patch']}"
        start = f" from {part['start']}" if part["start"] not in (None, stage.name) else ""
        parts.insert(0, f"{part['steps']:,} steps{start} ({crops}, {part['seconds']:.0f} seconds)")
        part = part.get("before")
    script = "`scripts/pretrained/students/train.py`"
    targets = TARGETS[stage.kind]
    terms = trained.get("terms") or {}
    if terms.get("adversarial"):
        targets = f"a PatchGAN critic that compares with originals, {targets}"
    if share := terms.get("originals"):
        last = " at last" if len(parts) > 1 else ""
        targets += (
            f", and{last} for {100 * share:.0f} % of what LPIPS and VGG19 compare the originals of degraded images too"
        )
    return f"{script}: {', then '.join(parts)} on one {log['device']}; {targets}"


def card(stage: Stage, trained: str, fails: str) -> str:
    """The model card, in Markdown, without what is measured."""
    about = {
        "training": trained,
        "training data": f"{TRAINING_DATA}, compressed as AVIF of quality 80 for the way to the accelerator",
        "taught by": TEACHERS.get(stage.kind, ""),
        "compared by": "; ".join(COMPARING.values()) if stage.terms else "",
    }
    return upscaler_card(stage.name, config_of(stage), about, TERMS, fails)


def main() -> None:
    """Release one student."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what the students' training wrote")
    parser.add_argument("name", choices=[stage.name for stage in STAGES])
    parser.add_argument("--fails", required=True, help="for the card: where it fails, as you saw it in its images")
    options = parser.parse_args()
    try:
        release(options.folder, next(stage for stage in STAGES if stage.name == options.name), options.fails)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
