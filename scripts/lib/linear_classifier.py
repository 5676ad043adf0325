"""A regularised linear classifier on features, for what a critic learned without labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

DECAYS = tuple(10.0**power for power in range(-3, 3))
"""Weights of the penalty that are tried."""
STEPS = 200
"""Of L-BFGS at most, for one of them."""


@dataclass(frozen=True)
class Labelled:
    """Features (N, D) of images and their labels (N,) int64."""

    features: Tensor
    label: Tensor

    def part(self, rows: Tensor) -> "Labelled":
        """Some of them."""
        return Labelled(self.features[rows], self.label[rows])


def linear_error(train: Labelled, validation: Labelled, test: Labelled, decays: Sequence[float] = DECAYS) -> float:
    """Error rate on `test`, in [0, 1], of logistic regression whose penalty has the least errors on `validation`.

    Features are scaled to mean 0 and deviation 1 over `train`; those that are constant there are left out. Of equal
    penalties the largest is taken.

    min_W,b  mean cross-entropy(W x + b) + decay / 2 |W|^2
    """
    mean, deviation = train.features.mean(0), train.features.std(0)
    varying = deviation > 1e-8

    def scaled(features: Tensor) -> Tensor:
        return ((features - mean) / deviation)[:, varying]

    fitted = scaled(train.features)
    # Of fewer images than features the solution lies in the space that the images span: the same one, found sooner.
    basis = torch.linalg.qr(fitted.T).Q if len(fitted) < fitted.shape[1] else torch.eye(fitted.shape[1]).to(fitted)
    fitted = fitted @ basis
    classes = int(torch.cat([each.label for each in (train, validation, test)]).max()) + 1
    solutions = [fit(fitted, train.label, classes, decay) for decay in sorted(decays, reverse=True)]
    candidates = scaled(validation.features) @ basis
    best = min(solutions, key=lambda solution: errors(solution, candidates, validation.label))
    return errors(best, scaled(test.features) @ basis, test.label)


Solution = tuple[Tensor, Tensor]


def fit(features: Tensor, label: Tensor, classes: int, decay: float) -> Solution:
    """Weights (K, D) and biases (K,) of logistic regression by L-BFGS, from zero."""
    weight = features.new_zeros(classes, features.shape[1], requires_grad=True)
    bias = features.new_zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(F.linear(features, weight, bias), label) + decay / 2 * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return weight.detach(), bias.detach()


def errors(solution: Solution, features: Tensor, label: Tensor) -> float:
    """Error rate of a solution, in [0, 1]."""
    return (F.linear(features, *solution).argmax(1) != label).double().mean().item()
