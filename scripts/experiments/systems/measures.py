"""What is measured of each adversarial system after its short run."""

import torch
from torch import Tensor

from scripts.lib.generative_measures import clusters, generated, samples
from scripts.lib.runs import held_out
from srgan_kit import losses
from srgan_kit.contracts import Critique
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
        class_logits=joined([part.class_logits for part in parts]),
        embedding=joined([part.embedding for part in parts]),
    )


def catgan(run: Run) -> dict[str, float]:
    """The clusters' error, and how sure the critic is of real and generated images, in nats."""
    assert run.critic is not None
    critic = run.critic.network
    real, fake = judged(run, held_out(run).image), judged(run, generated(run)[0])
    assert real.class_logits is not None
    assert fake.class_logits is not None
    return samples(run) | {
        "error_percent": clusters(run, lambda images: critic(images).class_logits),
        "entropy_real": float(losses.entropy_from_logits(real.class_logits)),
        "entropy_fake": float(losses.entropy_from_logits(fake.class_logits)),
        "marginal_entropy": float(losses.marginal_entropy(real.class_logits)),
    }


def classifier(run: Run) -> dict[str, float]:
    """Errors among the held-out images."""
    test = held_out(run)
    logits = judged(run, test.image).class_logits
    assert logits is not None
    assert test.label is not None
    return samples(run) | {"errors": float((logits.argmax(dim=1) != test.label).sum()), "images": float(len(logits))}
