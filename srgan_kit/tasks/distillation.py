"""Distillation: a generator learns other models' results beside the real images."""

import torch
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.images.symmetries import SYMMETRIES, turned, turned_back
from srgan_kit.losses import l1, mse
from srgan_kit.models.super_resolution import UpscalingModel, load_model
from srgan_kit.recipes.schema import Recipe

DISTANCES = {"l1": l1, "l2": mse}


class Distillation(nn.Module):
    """Distance to a teacher's result for the same input.

    fake (N, 3, h * scale, w * scale), low (N, 3, h, w), both in [0, 1], -> scalar.
    mean d(fake - t^-1(teacher(t(low)))), d the absolute value or the square as `distillation.distance` says; the
    teacher and t, one of the eight symmetries of the square, are drawn anew at each step. So with L2 what is learnt is
    close to the mean of all teachers' self-ensembles (with L1 to a median), at the cost of one forward pass. A teacher
    whose architecture is known to fail in the run's precision works in fp32.

    A real image is one of many that its input can come from; a teacher's result is a function of the input, so that
    fewer samples teach it. Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531, sec.
    2, for classifiers and for ensembles of them.

    Raises:
        UserError: no teacher, one that cannot be loaded, or one of another upscaling factor, of grey images or of
            crops of other sizes.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        if not recipe.distillation.teachers:
            raise UserError("recipe: weights.distillation needs distillation.teachers, models to learn from")
        self.teachers = [_teacher(name, recipe) for name in recipe.distillation.teachers]
        for teacher in self.teachers:
            teacher.network.to(device, memory_format=torch.channels_last)  # pyright: ignore
        self.distance = DISTANCES[recipe.distillation.distance]

    def forward(self, fake: Tensor, low: Tensor) -> Tensor:
        """The term, a scalar; the run seeds the global generator, which draws, before each step."""
        teacher = self.teachers[_drawn(len(self.teachers))]
        turns, mirrored = SYMMETRIES[_drawn(len(SYMMETRIES))]
        kind = low.device.type
        mixed = torch.is_autocast_enabled(kind) and teacher.supports(torch.get_autocast_dtype(kind))
        with torch.no_grad(), torch.autocast(kind, enabled=mixed):
            target = turned_back(teacher.network(turned(low, turns, mirrored)).float(), turns, mirrored)
        return self.distance(fake, target)


def _drawn(count: int) -> int:
    return int(torch.randint(count, ()))


def _teacher(name: str, recipe: Recipe) -> UpscalingModel:
    try:
        model = load_model(name)
    except UserError as error:
        raise UserError(f"recipe: distillation.teachers: {error}") from None
    for what, expected, got in (
        ("scale", recipe.scale, model.scale),
        ("channels", recipe.data.channels, model.channels),
    ):
        if expected != got:
            raise UserError(f"recipe: distillation.teachers: {name!r}: expected {what} {expected}, got {got}")
    side = recipe.data.patch
    if side % model.multiple_of or side < model.minimum:
        needs = f"multiples of {model.multiple_of} from {model.minimum}"
        raise UserError(f"recipe: distillation.teachers: {name!r}: expected a data.patch of {needs}, got {side}")
    return model
