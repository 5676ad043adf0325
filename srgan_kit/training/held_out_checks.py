"""Checks of a log against what it was before: held-out images that get worse, and a model worse than its start."""

import statistics
from collections.abc import Mapping

Findings = dict[str, str | None]

LOST_DECIBELS = 0.1
"""Least loss of PSNR since its best, in dB: less is noise of the last steps."""
LOST_PART = 0.02
"""The same of a likelihood's terms, as a fraction of the best."""
LEARNED_PART = 0.02
"""Least fraction by which the training term must have fallen since then: what worsens on both is no overfitting."""
BELOW_START = 0.05
"""Most decibels that a model may be below its start."""

DECIBELS = ("validation/psnr_y", "validation/psnr")
DISTANCES = ("pixel", "mse", "charbonnier")
"""Terms of training that fall as those rise."""
LOOKS = ("score_real", "perceptual", "lpips", "adversarial")
"""What is in the log of a run that gives up PSNR for looks: then its fall says nothing."""


class HeldOutChecks:
    """Reads every record of a log, in order, and remembers the best held-out figures with the training terms then."""

    def __init__(self) -> None:
        self._terms: dict[str, list[float]] = {}
        self._best: dict[str, tuple[float, float]] = {}
        self._start: dict[str, float] = {}
        self._trained = self._about_looks = self._has_critic = False

    def overfitting(self, values: Mapping[str, float]) -> Findings:
        """Which held-out figures get worse while the same on training images gets better."""
        if "generator_gradient" in values:
            for name, value in values.items():
                self._terms.setdefault(name, []).append(value)
            self._has_critic = self._has_critic or "score_real" in values
            self._about_looks = self._about_looks or any(name in values for name in LOOKS)
            return {}
        trained = {name: statistics.median(seen) for name, seen in self._terms.items()}
        pairs = {figure: next((name for name in DISTANCES if name in trained), None) for figure in DECIBELS}
        if not self._has_critic:  # else they are not of the generator's terms
            pairs |= {f"held_out/{name}": name for name in trained if f"held_out/{name}" in values}
        findings = {
            figure: self._compared(figure, values[figure], term, trained[term])
            for figure, term in pairs.items()
            if term is not None and figure in values and not (figure in DECIBELS and self._about_looks)
        }
        if findings:
            self._terms.clear()
        return findings

    def _compared(self, figure: str, value: float, term: str, trained: float) -> str | None:
        """A warning where a figure is worse than at its best and the training term better."""
        sign = 1 if figure in DECIBELS else -1
        best, then = self._best.get(figure, (value, trained))
        if sign * value >= sign * best:
            self._best[figure] = value, trained
            return None
        lost = LOST_DECIBELS if figure in DECIBELS else LOST_PART * abs(best)
        if sign * (best - value) < lost or trained > then - LEARNED_PART * abs(then):
            return None
        kept = "; best.safetensors is the model at its best" if figure in DECIBELS else ""
        return (
            f"the generator learns its training images by heart: {figure} of held-out ones was {best:.4g} and is "
            f"{value:.4g}, while {term} of training images fell from {then:.3g} to {trained:.3g}. "
            f"Try more images, data.augment, fewer steps or a smaller generator{kept}"
        )

    def below_start(self, values: Mapping[str, float]) -> Findings:
        """Whether PSNR is below that of the start, in a run that is about nothing else."""
        self._trained = self._trained or "generator_gradient" in values
        findings: Findings = {}
        for figure in DECIBELS:
            if figure not in values or self._about_looks:
                continue
            if not self._trained:
                self._start[figure] = values[figure]
            start, value = self._start.get(figure, values[figure]), values[figure]
            warning = (
                f"the model is worse than its start: {value:.2f} dB, {start:.2f} dB before. Try a smaller "
                "optimizer.learning_rate; while the rate is still high, wait"
            )
            findings[figure] = warning if value < start - BELOW_START else None
        return findings
