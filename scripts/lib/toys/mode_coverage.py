"""Mode coverage: how many modes of a known mixture a generator reaches, and how many of its samples lie in one."""

from dataclasses import dataclass

import numpy as np

from scripts.lib.toys.distributions import Toy

HIGH_QUALITY_STDS = 3
"""A sample this many std or less from the nearest centre is of high quality."""


@dataclass(frozen=True)
class ModeCoverage:
    """How well samples cover a mixture. The two numbers belong together: collapse to one mode scores 1 and 100 %."""

    modes: int
    """Modes with at least one sample of high quality."""
    high_quality: float
    """Share of the samples within three std of the nearest centre, in [0, 1]."""


def mode_coverage(points: np.ndarray, toy: Toy) -> ModeCoverage:
    """Modes reached and share of high-quality samples: (N, D) points, N >= 1, usually 2500.

    A sample is of high quality if its distance to the nearest centre is at most 3 std. Of the real distribution in two
    dimensions 1 - exp(-9/2) = 98.9 % are; more means that the samples spread too little. A point that is not finite is
    of no quality. Srivastava et al. 2017, "VEEGAN", experiments on synthetic data,
    arXiv:1705.07761

    Raises:
        ValueError: no points, or of another dimension than the toy's.
    """
    if not len(points):
        raise ValueError("mode_coverage: expected at least one point")
    mode, distance = toy.nearest(points)
    good = distance <= HIGH_QUALITY_STDS
    return ModeCoverage(len(np.unique(mode[good])), float(good.mean()))
