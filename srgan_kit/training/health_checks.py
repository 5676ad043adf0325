"""Warnings in plain language about a run's log: what goes wrong, and what to try."""

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from srgan_kit.training.held_out_checks import HeldOutChecks

COLLAPSED = 0.2
"""Least pairwise distance of generated images, as a fraction of that of real ones. Two neighbouring modes of a ring of
eight score .32, one mode scores .03 (`tests/srgan_kit/training/test_health_checks.py`); samples that look right score
.8 or more."""
UNUSED_LATENT = 0.02
"""Least distance of two outputs for one input, as a fraction of their distance from the real image: below it the latent
vector makes no visible difference."""
FEW_CLASSES = 0.5
"""Least entropy of the classes of generated images, as a fraction of that of real images: half of ln K is sqrt(K)
classes, 3 of 10."""
SURE_REAL, SURE_FAKE = 0.99, 0.01
"""A critic that gives real images more and generated ones less than these probabilities tells nearly every one: its
cross entropy is below .02 of the 1.39 at which it knows nothing."""
MEMORISED = 0.85
"""Most often that a training image may score above a held-out one. .5 is no memory; among 16 of each, chance alone
reaches .8 in one of 500 cases."""
VANISHED_GRADIENT = 1e-3
"""Least gradient of the generator, as a fraction of its median so far: learning rates fall as far, useful gradients do
not."""
VANISHED_SHARE = 0.01
"""Least share of a term in the generator's gradient: without the term it would point almost where it does."""
LARGEST_SCORE, SCORE_GROWTH = 50.0, 10.0
"""A mean score beyond the first, and so many times its size in the first records: a logit of 50 is a probability that
no float tells from 1."""
PAUSED = 0.9
"""Most of the steps in which a player may pause: a balance that lets one play in a tenth of them is none."""
COLLAPSED_KL = 0.1
"""Least nats of an image that a posterior may tell."""
UNREAD_CODE = 0.1
"""Least fraction of a code's entropy that images must tell."""

LOGS = 5
"""Records in a row before a warning, for measures of single batches."""
VALIDATIONS = 3
"""Validations in a row before a warning about what may pass: critics are often ahead while generators begin."""


@dataclass
class _Rule:
    """A check of one thing that may go wrong, and in how many records in a row it did."""

    findings: Callable[[Mapping[str, float]], Mapping[str, str | None]]
    """From a record to its warnings by subject; None for a subject that is well, no entry for one not in the record."""
    patience: int = 1
    streaks: dict[str, int] = field(default_factory=dict)
    lasting: dict[str, str] = field(default_factory=dict)
    """By subject, what is wrong now."""

    def warnings(self, values: Mapping[str, float]) -> Iterator[str]:
        for subject, warning in self.findings(values).items():
            self.streaks[subject] = 0 if warning is None else self.streaks.get(subject, 0) + 1
            self.lasting.pop(subject, None)
            if warning is not None and self.streaks[subject] >= self.patience:
                self.lasting[subject] = warning
            if warning is not None and self.streaks[subject] == self.patience:
                yield warning


class HealthChecks:
    """Reads every record of a log, in order; warns once of what is wrong, and again only if it was right in between."""

    def __init__(self) -> None:
        self._gradients: list[float] = []
        self._first_scores: list[float] = []
        held_out = HeldOutChecks()
        self._rules = [
            _Rule(_collapse),
            _Rule(_latent),
            _Rule(_classes),
            _Rule(_posterior),
            _Rule(_saturated, VALIDATIONS),
            _Rule(_memorised, VALIDATIONS),
            _Rule(_codes, VALIDATIONS),
            _Rule(held_out.overfitting, VALIDATIONS),
            _Rule(held_out.below_start, VALIDATIONS),
            _Rule(self._scores, LOGS),
            _Rule(self._gradient, LOGS),
            _Rule(_shares, LOGS),
            _Rule(_paused, LOGS),
        ]

    def read(self, values: Mapping[str, float]) -> list[str]:
        """The new warnings after a record."""
        return [warning for rule in self._rules for warning in rule.warnings(values)]

    def lasting(self) -> list[str]:
        """The warnings of what is still wrong after the last record."""
        return [warning for rule in self._rules for warning in rule.lasting.values()]

    def _scores(self, values: Mapping[str, float]) -> dict[str, str | None]:
        if not {"score_real", "score_fake"} <= values.keys():
            return {}
        real, fake = values["score_real"], values["score_fake"]
        size = max(abs(real), abs(fake))
        if len(self._first_scores) < LOGS:
            self._first_scores.append(size)
        usual = statistics.median(self._first_scores)
        warning = (
            f"the critic's scores explode: {real:.3g} for real images, {fake:.3g} for generated ones, {usual:.2g} at "
            "first. Try critic_weights.r1=1, techniques.spectral_norm=true or a smaller critic_optimizer.learning_rate"
        )
        return {"": warning if size > max(LARGEST_SCORE, SCORE_GROWTH * usual) else None}

    def _gradient(self, values: Mapping[str, float]) -> dict[str, str | None]:
        norm = values.get("generator_gradient")
        if norm is None or any(name in values for name in ("paused/decoder", "paused/encoder")):
            return {}
        usual = statistics.median(self._gradients) if len(self._gradients) >= LOGS else 0.0
        if norm >= VANISHED_GRADIENT * usual:
            self._gradients.append(norm)
            return {"": None}
        return {
            "": f"the generator's gradient has vanished: {norm:.2g}, of {usual:.2g} before. "
            "Try techniques.instance_noise=0.1, critic_weights.r1=1, a smaller critic_optimizer.learning_rate, "
            "or in place of gan's minimax variant.objective='non-saturating'"
        }


def _collapse(values: Mapping[str, float]) -> dict[str, str | None]:
    ratio = values.get("validation/diversity")
    if ratio is None:
        return {}
    warning = (
        f"the generator collapses: its images differ from each other by {ratio:.0%} of what real ones do. "
        "Try critic.minibatch_kernels=50, weights.feature_matching=1, techniques.instance_noise=0.1 "
        "or a smaller optimizer.learning_rate; early in a run, wait"
    )
    return {"": warning if ratio < COLLAPSED else None}


def _latent(values: Mapping[str, float]) -> dict[str, str | None]:
    spread = values.get("latent/spread")
    if spread is None:
        return {}
    warning = (
        f"the latent vector changes nothing: two outputs for one input are apart by {spread:.1%} of what they are from "
        "the real image. Try smaller weights of terms that ask for the one right image (pixel, perceptual), "
        "or a term that reads the latent vector back (variant='infogan' with codes)"
    )
    return {"": warning if spread < UNUSED_LATENT else None}


def _classes(values: Mapping[str, float]) -> dict[str, str | None]:
    if not {"classes/entropy_fake", "classes/entropy_real"} <= values.keys():
        return {}
    fake, real = values["classes/entropy_fake"], values["classes/entropy_real"]
    warning = (
        f"generated images fall into few classes: their entropy is {fake:.2f} nats, that of real images {real:.2f}. "
        "Try a larger data.batch, weights.feature_matching=1 or critic.minibatch_kernels=50"
    )
    return {"": warning if fake < FEW_CLASSES * real else None}


def _posterior(values: Mapping[str, float]) -> dict[str, str | None]:
    if not {"posterior/kl", "posterior/active_units"} <= values.keys():
        return {}
    nats, units = values["posterior/kl"], values["posterior/active_units"]
    warning = (
        f"the posterior collapses: the code tells {nats:.2g} nats of an image, {units:.0f} of its units are active. "
        "Try a smaller weights.kl or, for variant 'vae', a smaller variant.std"
    )
    return {"": warning if nats < COLLAPSED_KL or units == 0 else None}


def _saturated(values: Mapping[str, float]) -> dict[str, str | None]:
    if not {"held_out/probability_real", "held_out/probability_fake"} <= values.keys():
        return {}
    real, fake = values["held_out/probability_real"], values["held_out/probability_fake"]
    warning = (
        f"the critic is too strong, it tells all images apart: it calls held-out images real with {real:.1%}, "
        f"generated ones with {fake:.1%}. Try techniques.instance_noise=0.1, variant.smoothing='one-sided', "
        "critic_weights.r1=1 or a smaller critic_optimizer.learning_rate"
    )
    return {"": warning if real > SURE_REAL and fake < SURE_FAKE else None}


def _memorised(values: Mapping[str, float]) -> dict[str, str | None]:
    share = values.get("held_out/memorised")
    if share is None:
        return {}
    warning = (
        f"the critic knows its training images: they score above held-out ones in {share:.0%} of pairs. "
        "Try more images, data.augment='flips', techniques.translation, critic_weights.r1=1 or a smaller critic"
    )
    return {"": warning if share > MEMORISED else None}


def _codes(values: Mapping[str, float]) -> dict[str, str | None]:
    findings: dict[str, str | None] = {}
    for name in {*_group(values, "information")} & {*_group(values, "entropy")}:
        nats, entropy = values[f"information/{name}"], values[f"entropy/{name}"]
        kind, _, number = name.partition(".")
        warning = (
            f"images do not show the {kind} code {number}: they tell {nats:.2f} of its {entropy:.2f} nats. "
            f"Try a larger weights.{kind} (and critic_weights.{kind})"
        )
        findings[name] = warning if nats < UNREAD_CODE * entropy else None
    return findings


def _shares(values: Mapping[str, float]) -> dict[str, str | None]:
    shares = {name: values[f"share/{name}"] for name in _group(values, "share")}
    if not any(shares.values()):
        return {}
    largest = max(shares, key=lambda name: shares[name])
    findings: dict[str, str | None] = {}
    for name, share in shares.items():
        warning = (
            f"the term {name!r} has no say: {share:.2%} of the generator's gradient, {largest!r} has "
            f"{shares[largest]:.0%}. Try a larger weights.{name}, a smaller weights.{largest}, or leave it out"
        )
        findings[name] = warning if share < VANISHED_SHARE else None
    return findings


def _paused(values: Mapping[str, float]) -> dict[str, str | None]:
    findings: dict[str, str | None] = {}
    for player in ("critic", "encoder", "decoder"):
        share = values.get(f"paused/{player}", 0.0)
        opponent = "critic_optimizer.learning_rate" if player == "critic" else "optimizer.learning_rate"
        warning = (
            f"the {player} hardly plays: it paused in {share:.0%} of the steps, for it is too good for the others. "
            f"Try a smaller {opponent}, or other limits of the balance in [variant]"
        )
        findings[player] = warning if share > PAUSED else None
    return findings if "generator_gradient" in values else {}


def _group(values: Mapping[str, float], group: str) -> list[str]:
    return [name.removeprefix(f"{group}/") for name in values if name.startswith(f"{group}/")]
