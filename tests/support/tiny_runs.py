"""Recipes and runs of a few seconds, for every variant under every task."""

from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from srgan_kit.contracts import Batch
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.run import Run
from srgan_kit.variants import VARIANTS


def next_batches(run: Run) -> list[Batch]:
    """The batches of the run's next step, one for each of the critic's steps."""
    size, first = run.recipe.data.batch, run.step * run.batches
    numbers = [range((first + number) * size, (first + number + 1) * size) for number in range(run.batches)]
    return [run.task.batch(default_collate([run.task.examples[index] for index in some])) for some in numbers]


NETWORKS = {
    "unconditional": "latent={noise=6}\n[generator]\nname='dcgan'\nchannels=4",
    "super-resolution": "[generator]\nname='residual'\nchannels=4\ngroups=1\nconvolutions=1",
    "reconstruction": "latent={noise=6}\n[generator]\nname='dcgan'\nchannels=4",
}
FOR_REQUIREMENT = {
    "critic": ["critic.name=dcgan", "critic.channels=4"],
    "autoencoder": ["critic.name=autoencoder", "critic.embedding=8"],
    "class_logits": ["critic.classes=2"],
    "codes": ["latent.categorical=[3]", "latent.continuous=1"],
    "posterior": ["latent.noise=6", "encoder.channels=4"],
    "comparator": ["perceptual.layers={conv1_1=1.0}"],
    "levels": ["generator={name='pixelcnn', levels=4, channels=6, layers=2}"],
}
"""What a recipe needs besides its networks for a variant that requires this."""


class TinyRuns:
    """Makes recipes and runs on a few images of two classes, with the weights of a comparator beside them."""

    size = 32

    def __init__(self, root: Path) -> None:
        self.root, self.images = root, root / "images"
        random = np.random.default_rng(0)
        for number in range(8):
            folder = self.images / ("left" if number % 2 else "right")
            folder.mkdir(parents=True, exist_ok=True)
            rough = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(rough).resize((40, 36), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(64, 3, 3, 3, generator=generator)
        torch.save({"features.0.weight": weight, "features.0.bias": torch.zeros(64)}, root / "vgg.pth")
        for task, networks in NETWORKS.items():
            text = f"name='tiny'\ntask='{task}'\nsteps=10\nprecision='fp32'\ndevice='cpu'\n{networks}\n"
            (root / f"{task}.toml").write_text(text)

    def recipe(self, task: str, variant: str, *more: str) -> Recipe:
        """The task's recipe with what the variant requires, and with more settings."""
        required = VARIANTS[variant]().requirements()
        settings = [setting for need, needed in FOR_REQUIREMENT.items() if need in required for setting in needed]
        if not required:
            settings.append("weights.pixel=1" if task != "unconditional" else "weights.total_variation=1")
        settings += [f"data.size={self.size}", "data.patch=8", "data.batch=4", "validation.holdout=2"]
        settings += ["validation.holdout_part=1"]
        settings += [f"perceptual.weights={self.root / 'vgg.pth'}"]
        settings += [f"data.augment={'none' if task != 'super-resolution' else 'flips'}"]
        return load_recipe(str(self.root / f"{task}.toml"), [f"variant={variant}", *settings, *more], self.images)

    @staticmethod
    def run(recipe: Recipe, folder: Path) -> Run:
        """A run of that recipe."""
        accelerator = Accelerator(cpu=True)
        return Run(recipe, folder, accelerator, build_task(recipe, accelerator.device, folder))

    batches = staticmethod(next_batches)

    def batch(self, run: Run) -> Batch:
        """The batch that the generator learns from in the run's next step."""
        return next_batches(run)[-1]

    def step(self, run: Run) -> dict[str, float]:
        """Take one step."""
        *earlier, batch = next_batches(run)
        return run.train_step(batch, detailed=True, earlier=earlier)

    @staticmethod
    def weights(run: Run) -> dict[str, Tensor]:
        """A copy of every parameter of every player."""
        players = {"generator": run.generator, "critic": run.critic}
        return {
            f"{name}.{key}": value.detach().clone()
            for name, player in players.items()
            if player is not None
            for key, value in player.network.named_parameters()
        }
