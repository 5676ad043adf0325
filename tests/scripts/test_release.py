"""Releasing a run: its stages, what the card says of them, and what is not ready."""

from pathlib import Path

import pytest

from scripts.pretrained import cards
from scripts.pretrained import release as release_model
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import train

SMALL = ["steps=2", "data.batch=3", "data.patch=8", "device=cpu", "precision=fp32", "log_every=1"]
SMALL += ["validation.holdout=1", "validation.images=1", "weights.fourier=0.05"]


def test_the_card_lists_every_stage(two_classes: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1-l1", tmp_path / "2-larger"
    train(load_recipe("smoke", SMALL, two_classes), first)
    with pytest.raises(UserError, match="expected a run folder"):
        cards.stages_of(tmp_path / "nowhere")
    settings = [*SMALL, "steps=1", f"initialise_from={first / 'model.safetensors'}"]
    train(load_recipe("smoke", settings, two_classes), second)
    assert cards.stages_of(tmp_path) == [first, second]
    assert cards.stages_of(second) == [second]
    text = release_model.card("x4-photo", [first, second], "On text.")
    assert "1-l1: recipe smoke; 2 steps, 6 crops of 8x8, 1 pixel + 0.05 fourier" in text
    assert "<br>2-larger: recipe smoke; 1 steps, 3 crops of 8x8" in text
    assert "It is made for photographs as they are found" in text
    assert "## Where it fails\n\nOn text.\n" in text
    (second / "recipe.json").unlink()
    with pytest.raises(UserError, match=r"2-larger: has no recipe\.json"):
        cards.stages_of(tmp_path)
    (second / "model.safetensors").unlink()
    with pytest.raises(UserError, match="2-larger: is not finished"):
        cards.stages_of(tmp_path)


def test_the_card_names_where_a_stage_started(two_classes: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "validation.holdout=0"]
    train(load_recipe("smoke", settings, two_classes), tmp_path / "x2-other" / "1-l1")
    start = tmp_path / "x2-other" / "1-l1" / "model.safetensors"
    stage = tmp_path / "x4-photo" / "1-more"
    train(load_recipe("smoke", [*settings, f"initialise_from={start}"], two_classes), stage)
    text = release_model.card("x4-photo", [stage], "On text.")
    assert "1-more: recipe smoke, from x2-other; 2 steps" in text
    assert "It started from x2-other, whose card says what that one learnt from." in text
    assert "held-out validation" not in text  # there was none


@pytest.mark.parametrize(("hours", "said"), [(1.36, "1.4 hours"), (0.99, "59.4 minutes"), (26 / 3600, "26 seconds")])
def test_durations_are_in_a_unit_that_fits(hours: float, said: str) -> None:
    assert cards.duration(hours) == said
