"""What is measured of each adversarial system after its short run."""

import torch
from torch import Tensor

from scripts.lib.generative_measures import COUNT, generated, samples
from scripts.lib.runs import exported, held_out
from srgan_kit import losses
from srgan_kit.contracts import Critique
from srgan_kit.metrics.samples import ratio_to_real, sharpness
from srgan_kit.training.run import Run


def judged(run: Run, images: Tensor) -> Critique:
    """The critic's view of images, in parts; only what is measured here."""
    assert run.critic is not None
    parts = [run.critic.network(part) for part in images.split(250)]

    def joined(tensors: list[Tensor | None]) -> Tensor | None:
        return torch.cat([each for each in tensors if each is not None]) if tensors[0] is not None else None

    score = joined([part.score for part in parts])
    assert score is not None
    return Critique(
        score=score,
        embedding=joined([part.embedding for part in parts]),
    )


def f_gan(run: Run) -> dict[str, float]:
    """The divergence of held-out from generated images that the critic measures, and its standard error, in nats."""
    fake, _ = generated(run)
    value, error = losses.estimate_divergence(
        run.variant.divergence,  # pyright: ignore[reportAttributeAccessIssue]
        judged(run, held_out(run, COUNT).image).score,
        judged(run, fake).score,
    )
    return samples(run) | {"divergence": float(value), "error": float(error)}


def ebgan(run: Run) -> dict[str, float]:
    """Energies, and how alike the codes of samples are: 1 for a collapse, about 1 / size of the code for none."""
    fake = judged(run, generated(run)[0])
    assert fake.embedding is not None
    real = judged(run, held_out(run, COUNT).image)
    return samples(run) | {
        "energy_real": float(real.score.mean()),
        "energy_fake": float(fake.score.mean()),
        "pulling_away": float(losses.pulling_away(fake.embedding)),
    }


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
