"""Shares of terms in the generator's gradient, and weights that hold them."""

import math
from collections.abc import Mapping

Norms = dict[str, dict[str, float]]
"""{term: {part: norm}}: of each weighted term's gradient, in each part of the generator that the term trains."""

SMOOTHING = 0.5
"""How far a weight goes, on a logarithmic scale, towards the one that the last measurement asks for. A measurement is
of one batch, and weights must keep pace with a critic whose gradient grows tenfold within fifty steps."""
LARGEST_STEP = 2.0
"""A weight changes by no larger factor at a time, ..."""
TURNS, EXACT = 200, 1e-6
"""Most turns in which factors are found, and the change, on a logarithmic scale, after which they are found."""
FURTHEST = 1e4
"""... and in the end goes no farther from the first measured one."""


def gradient_shares(norms: Norms) -> dict[str, float]:
    """Norm of each term's gradient over the sum of all terms' norms: who says how the player moves.

    Both are taken over the parts that the term trains, so that terms of different parts are not compared.

    >>> gradient_shares({"a": {"decoder": 3.0}, "b": {"decoder": 1.0}})
    {'a': 0.75, 'b': 0.25}
    """
    shares: dict[str, float] = {}
    for name, own in norms.items():
        within = {term: math.hypot(*(every.get(part, 0.0) for part in own)) for term, every in norms.items()}
        total = sum(within.values())
        shares[name] = within[name] / total if total else 0.0
    return shares


def factors_for(norms: Norms, targets: Mapping[str, float]) -> dict[str, float]:
    """By which factors the gradients of these terms must change for each to have its target share.

    With s a term's share and t its target, the factor that would give t, all other gradients being as they are, is

        (t / (1 - t)) / (s / (1 - s)).

    Terms take it in turns until none changes: as long as the targets are below 1 together, each turn brings them
    nearer. A term has no factor where nothing is to be learned: it, or all the others, have no gradient.

    >>> round(factors_for({"a": {"decoder": 3.0}, "b": {"decoder": 2.0}}, {"b": 0.25})["b"], 6)
    0.5
    """
    factors: dict[str, float] = {}
    for _ in range(TURNS):
        changed = 0.0
        for name, target in targets.items():
            share = gradient_shares(scaled(norms, factors)).get(name, 0.0)
            if 0 < share < 1:
                factor = (target / (1 - target)) / (share / (1 - share))
                factors[name] = factors.get(name, 1.0) * factor
                changed = max(changed, abs(math.log(factor)))
        if changed < EXACT:
            break
    return factors


def scaled(norms: Norms, factors: Mapping[str, float]) -> Norms:
    """The norms after these terms' weights changed by these factors."""
    return {name: {part: norm * factors.get(name, 1.0) for part, norm in own.items()} for name, own in norms.items()}


class HeldShares:
    """The weights of terms whose share of the gradient is held, as `factors_for` a measured gradient says.

    The first measurement is followed at once; of later ones, which vary from batch to batch, weights take a part.

    Args:
        targets: the shares to hold, by term.
        weights: what the weights begin with.
        every: steps from one measurement to the next.
    """

    def __init__(self, targets: Mapping[str, float], weights: Mapping[str, float], every: int) -> None:
        self.targets, self.every = dict(targets), every
        self.weights = {name: weights[name] for name in targets}
        """The weights now."""
        self._first: dict[str, float] = {}

    def due(self, step: int) -> bool:
        """Whether the gradient is to be measured in this step, counted from 0."""
        return bool(self.targets) and step % self.every == 0

    def measured(self, norms: Norms, step: int) -> dict[str, float]:
        """Adapt the weights where it is time to, and what to log: each term's share with the weights as they are then.

        Args:
            norms: with the weights before.
            step: counted from 0.
        """
        if self.due(step):
            norms = scaled(norms, self.adapt(norms))
        shares = {f"share/{name}": share for name, share in gradient_shares(norms).items()}
        return shares | {f"weight_{name}": weight for name, weight in self.weights.items()}

    def adapt(self, norms: Norms) -> dict[str, float]:
        """Follow a measurement: by which factor each weight changes."""
        factors: dict[str, float] = {}
        for name, wanted in factors_for(norms, self.targets).items():
            weight, first = self.weights[name], self._first.get(name)
            if first is None:
                self._first[name] = weight * wanted
                factors[name] = wanted
            else:
                factor = min(max(wanted**SMOOTHING, 1 / LARGEST_STEP), LARGEST_STEP)
                factors[name] = min(max(weight * factor, first / FURTHEST), first * FURTHEST) / weight
            self.weights[name] *= factors[name]
        return factors

    def state(self) -> dict[str, dict[str, float]]:
        """What a checkpoint must hold."""
        return {"weights": dict(self.weights), "first": dict(self._first)}

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Go back to a checkpoint."""
        self.weights, self._first = dict(state["weights"]), dict(state["first"])
