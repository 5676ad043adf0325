"""What is measured of each adversarial system after its short run."""

import torch

from scripts.lib.runs import exported, held_out
from srgan_kit.metrics.samples import ratio_to_real, sharpness
from srgan_kit.training.run import Run


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
