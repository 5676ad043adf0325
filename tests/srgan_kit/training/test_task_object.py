"""The documentation's script trains on a task of its own, and resumes as a run on files does."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import MODEL, train

ROOT = Path(__file__).parents[3]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the page's script after it ran in a folder of its own."""
    (page,) = (ROOT / "docs").rglob("training.md")
    part = page.read_text(encoding="utf-8").partition("## Training on data of your own making\n")[2]
    (source,) = re.findall(r"^```python\n(.*?)^```", part.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(source, page.name, "exec"), names)
    return names


def test_a_resumed_run_on_a_task_object_equals_one_in_a_piece(script: dict[str, Any], command) -> None:
    runs = Path("runs")
    train(script["longer"], runs / "whole", task=script["StripeTask"]())
    resumed, whole = (load_file(runs / name / MODEL) for name in ("stripes", "whole"))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    status, _, err = command("generate", runs / "stripes", "-n", 2, "-o", "made.png", "--device", "cpu")
    assert status == 0, err


def test_a_run_is_not_resumed_on_another_task_object(script: dict[str, Any]) -> None:
    class Dots(script["StripeTask"]):
        def fingerprint(self) -> str:
            return "dots"

    recipe = load_recipe("dcgan", [*script["settings"], "steps=8"])
    with pytest.raises(UserError, match="the training images are not those"):
        train(recipe, Path("runs/stripes"), resume=True, task=Dots())


def test_a_task_object_has_a_batch_for_each_of_the_critics_steps(script: dict[str, Any]) -> None:
    recipe = load_recipe("dcgan", [*script["settings"], "critic_steps=3", "steps=2"])
    assert train(recipe, Path("runs/critic"), task=script["StripeTask"]()).finished
