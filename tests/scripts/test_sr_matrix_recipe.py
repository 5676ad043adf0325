"""Every run of the super-resolution matrix is a recipe that builds, rehearses and steps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch.utils.data import default_collate

from scripts.experiments.sr_matrix import run as sr_matrix
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.run import Run

TINY = ["device=cpu", "precision=fp32", "data.patch=8", "data.batch=4", "labels.share=0.5", "validation.holdout=0"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of images and a VGG19 of random weights up to conv3_1."""
    root = tmp_path_factory.mktemp("matrix")
    random = np.random.default_rng(0)
    for number in range(4):
        folder = root / "images" / ("bsds" if number % 2 else "cc0")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    generator = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for layer, (before, after) in {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256)}.items():
        state[f"features.{layer}.weight"] = 0.05 * torch.randn(after, before, 3, 3, generator=generator)
        state[f"features.{layer}.bias"] = torch.zeros(after)
    torch.save(state, root / "vgg.pth")
    return root


@pytest.mark.parametrize("name", sr_matrix.RUNS)
def test_every_run_builds_rehearses_and_steps(name: str, data: Path, tmp_path: Path) -> None:
    labels = [s for s in sr_matrix.RUNS[name].settings if not s.startswith("labels.")]
    comparator = f"perceptual.weights={str(data / 'vgg.pth')!r}"
    recipe = load_recipe(sr_matrix.RECIPE, [*sr_matrix.SHORT, *labels, *TINY, comparator], data / "images")
    accelerator = Accelerator(cpu=True)
    run = Run(recipe, tmp_path, accelerator, build_task(recipe, accelerator.device, tmp_path))
    run.dry_run()
    before = [parameter.detach().clone() for parameter in run.model.decoder.parameters()]
    items = [run.task.examples[index] for index in range(recipe.data.batch)]
    batches = [run.task.batch(default_collate(items)) for _ in range(run.batches)]
    values = run.train_step(batches[-1], detailed=True, earlier=batches[:-1])
    assert all(np.isfinite(value) for value in values.values())
    moved = [not torch.equal(a, b) for a, b in zip(before, run.model.decoder.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2
    own = {key for key in values if key.startswith("share/")} - {
        f"share/{term}" for term in ("pixel", "perceptual", "total_variation", "consistency")
    }
    if name == "content only":
        assert own == set()
    else:
        assert sum(values[key] for key in own) > 0  # the system does move the generator


def test_only_the_control_has_no_adversary() -> None:
    with_critic = {name for name, entry in sr_matrix.RUNS.items() if any("critic=" in s for s in entry.settings)}
    assert set(sr_matrix.RUNS) - with_critic == {"content only"}
