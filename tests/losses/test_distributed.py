"""Losses of batch statistics in two processes, half a batch each: the value and the gradient of one with all of it.

The processes run this file: each writes what it found after averaging, as DistributedDataParallel would.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed

import losses

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Outputs of a network for real and for fake images, (N, 6) each, and the real ones' labels."""

CASES: dict[str, Loss] = {
    "marginal entropy": lambda real, fake, label: losses.marginal_entropy(fake),
    "catgan critic": lambda real, fake, label: losses.CategoricalGAN(0.7).critic_loss(real, fake, label),
    "catgan generator": lambda real, fake, label: losses.CategoricalGAN().generator_loss(fake),
    "labelled cross entropy": lambda real, fake, label: losses.labelled_cross_entropy(real, label),
    "semi-supervised critic": lambda real, fake, label: losses.SemiSupervised().critic_loss(real, fake, label),
    "feature matching": lambda real, fake, label: losses.feature_matching([real, real**2], [fake, fake**2]),
    "moment matching": lambda real, fake, label: losses.moment_matching(real, fake, orders=3),
    "mmd": lambda real, fake, label: losses.maximum_mean_discrepancy(real, fake, (1.0, 3.0)),
    "mmd unbiased": lambda real, fake, label: losses.maximum_mean_discrepancy(real, fake, (1.0, 3.0), "unbiased"),
    "relativistic critic": lambda real, fake, label: losses.RelativisticAverage().critic_loss(real, fake),
    "relativistic generator": lambda real, fake, label: losses.RelativisticAverage().generator_loss(fake, real),
    "relativistic least squares": lambda real, fake, label: losses.RelativisticAverage("least-squares").critic_loss(
        real, fake
    ),
    "relativistic hinge": lambda real, fake, label: losses.RelativisticAverage("hinge").critic_loss(real, fake),
    "minibatch discrimination": lambda real, fake, label: (
        losses.minibatch_similarity(fake.reshape(-1, 2, 3)).square().mean()
    ),
    "pulling away": lambda real, fake, label: losses.pulling_away(fake),
    "slope of minibatch discrimination": lambda real, fake, label: slope(fake),
}


def slope(fake: Tensor) -> Tensor:
    """A gradient penalty on a critic that sees the batch: the gather is differentiated twice."""
    score = losses.minibatch_similarity(fake.reshape(-1, 2, 3)).sum()
    (gradient,) = torch.autograd.grad(score, fake, create_graph=True)
    return gradient.square().sum(dim=1).mean()


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Real and fake images (8, 3), labels of which one process holds one and the other three, weights (3, 6)."""
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 8, 3, generator=generator, dtype=torch.float64)
    label = torch.tensor([-1, 4, -1, -1, 0, 2, -1, 5])
    real[4:] += 1  # so that the halves have different statistics
    return real, fake + 0.5, label, torch.randn(3, 6, generator=generator, dtype=torch.float64)


def value_and_gradient(loss: Loss, part: slice) -> tuple[Tensor, Tensor]:
    real, fake, label, weight = batch()
    weight.requires_grad_()
    value = loss(torch.tanh(real[part] @ weight), torch.tanh(fake[part] @ weight), label[part])
    (gradient,) = torch.autograd.grad(value, weight)
    return value.detach(), gradient


def run_process(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for name, loss in CASES.items():
        found[name] = value_and_gradient(loss, slice(4 * rank, 4 * rank + 4))
        for tensor in found[name]:
            distributed.all_reduce(tensor)
            tensor /= 2
    torch.save(found, folder / f"found{rank}")
    distributed.barrier()  # neither leaves while the other still needs it
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, tuple[Tensor, Tensor]]]:
    """What each process found."""
    folder = tmp_path_factory.mktemp("processes")
    children = [subprocess.Popen([sys.executable, __file__, str(rank), str(folder)]) for rank in range(2)]
    try:
        assert [child.wait(timeout=120) for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()
    return [torch.load(folder / f"found{rank}") for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_get_the_value_and_the_gradient_of_the_whole_batch(name: str, two_processes) -> None:
    whole = value_and_gradient(CASES[name], slice(None))
    for found in two_processes:
        torch.testing.assert_close(found[name], whole)


@pytest.mark.parametrize("name", CASES)
def test_each_half_by_itself_would_get_another_value_and_gradient(name: str) -> None:
    whole = value_and_gradient(CASES[name], slice(None))
    halves = [value_and_gradient(CASES[name], part) for part in (slice(4), slice(4, 8))]
    for exact, one, other in zip(whole, *halves, strict=True):
        assert not torch.allclose((one + other) / 2, exact, rtol=1e-3)


def test_the_module_of_minibatch_discrimination_compares_with_all_processes_samples_through_the_same_function() -> None:
    module = losses.MinibatchDiscrimination(3, kernels=2, dimensions=3).double()
    features = batch()[0]
    expected = losses.minibatch_similarity((features @ module.projection).reshape(-1, 2, 3))
    torch.testing.assert_close(module(features), torch.cat([features, expected], dim=1))


if __name__ == "__main__":
    run_process(int(sys.argv[1]), Path(sys.argv[2]))
