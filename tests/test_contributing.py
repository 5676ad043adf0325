"""The worked example of CONTRIBUTING.md: a variant written as it says trains under every task."""

import math
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from srgan_kit.contracts import Batch, Critique, Sample
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.variant import variant_name
from srgan_kit.variants import VARIANTS

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
SMALL = ["data.batch=4", "precision=fp32", "validation.holdout=0", "critic={name='dcgan', channels=4}"]
TASKS = {
    "dcgan": ["data.size=32", "generator.channels=4", "latent.noise=6"],
    "autoencoder": ["data.size=32", "generator.channels=4", "latent.noise=6", "encoder.channels=4"],
    "smoke": ["data.patch=8", "generator.channels=4"],
}
"""A shipped recipe of each task, made small."""


@pytest.fixture
def lsgan(monkeypatch: pytest.MonkeyPatch):
    """The class that the page's Python defines, in VARIANTS as its step 2 says."""
    (source,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    module = ModuleType("example_of_contributing")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, "CONTRIBUTING.md", "exec"), module.__dict__)
    monkeypatch.setitem(VARIANTS, "lsgan", module.LSGAN)
    return module.LSGAN


@pytest.mark.parametrize("recipe_name", TASKS)
def test_the_variant_of_the_page_trains_under_every_task(lsgan, recipe_name, two_classes, train_two_steps) -> None:
    settings = ["variant={name='lsgan', real_target=0.8}", *SMALL, *TASKS[recipe_name]]
    recipe = load_recipe(recipe_name, settings, two_classes)
    assert variant_name(recipe.variant) == "lsgan"
    torch.manual_seed(recipe.seed)
    run, values = train_two_steps(recipe)
    assert {"critic", "adversarial", "score_real", "score_fake"} <= values.keys()
    assert all(math.isfinite(value) for value in values.values())
    for player in (run.generator, run.critic):
        assert player is not None
        assert all(float(player.optimizer.state[each]["step"]) == 2 for each in player.network.parameters())


def test_the_terms_of_the_page_are_the_papers(lsgan) -> None:
    variant = lsgan(real_target=0.5)
    real, fake = Critique(score=torch.tensor([1.0, 2.0])), Critique(score=torch.tensor([3.0]))
    nothing = torch.zeros(1, 1, 1, 1)
    terms = variant.critic_terms(real=real, fake=fake, batch=Batch(nothing), sample=Sample(nothing))
    assert float(terms["critic"]) == pytest.approx((0.25 + 2.25) / 4 + 9 / 2)
    terms = variant.generator_terms(real=None, fake=fake, batch=Batch(nothing), sample=Sample(nothing))
    assert float(terms["adversarial"]) == pytest.approx(6.25 / 2)
