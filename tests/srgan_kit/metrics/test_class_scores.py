"""Inception score and I': closed forms, and what each rewards."""

import math

import pytest
import torch
from torch import Tensor

from srgan_kit.metrics.class_scores import inception_score, modified_inception_score


def two_kinds(q: float) -> Tensor:
    """Logits of images of two kinds, half and half: p(y|x) = (q, 1 - q) and the reverse."""
    return torch.tensor([[q, 1 - q], [1 - q, q]]).log().repeat(3, 1) + torch.tensor([[5.0], [-2.0]]).repeat(3, 1)


@pytest.mark.parametrize("q", [0.5, 0.7, 0.99])
def test_two_kinds_of_images_have_the_closed_forms(q: float) -> None:
    entropy = -q * math.log(q) - (1 - q) * math.log(1 - q)
    assert inception_score(two_kinds(q)) == pytest.approx(math.exp(math.log(2) - entropy), rel=1e-5)
    # p(y) = (1/2, 1/2): KL = -ln 2 - (ln q + ln(1 - q)) / 2
    expected = -math.log(2) - math.log(q * (1 - q)) / 2
    assert modified_inception_score(two_kinds(q)) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_a_hand_worked_unequal_case() -> None:
    """Three images of p = (.9, .1), one of (.3, .7): p(y) = (.75, .25)."""
    logits = torch.tensor([[0.9, 0.1]] * 3 + [[0.3, 0.7]]).log()
    kl = (0.75 * math.log(0.75 / 0.9) + 0.25 * math.log(0.25 / 0.1)) * 3 / 4
    kl += (0.75 * math.log(0.75 / 0.3) + 0.25 * math.log(0.25 / 0.7)) / 4
    assert modified_inception_score(logits) == pytest.approx(kl, rel=1e-5)
    reverse = (0.9 * math.log(0.9 / 0.75) + 0.1 * math.log(0.1 / 0.25)) * 3 / 4
    reverse += (0.3 * math.log(0.3 / 0.75) + 0.7 * math.log(0.7 / 0.25)) / 4
    assert inception_score(logits) == pytest.approx(math.exp(reverse), rel=1e-5)


def test_sure_images_of_all_classes_score_the_number_of_classes_and_a_collapse_nothing() -> None:
    sure = 200 * torch.eye(10)
    assert inception_score(sure) == pytest.approx(10)
    assert inception_score(sure[[3] * 8]) == pytest.approx(1)
    assert modified_inception_score(sure[[3] * 8]) == pytest.approx(0)
    assert modified_inception_score(torch.zeros(8, 10)) == pytest.approx(0)
    assert modified_inception_score(2 * sure) > modified_inception_score(sure), "it has no largest value"
    assert modified_inception_score(2000 * torch.eye(10)) < math.inf, "probabilities that are 0 in float32"


@pytest.mark.parametrize("score", [inception_score, modified_inception_score])
def test_what_are_no_logits_is_an_error(score) -> None:
    for wrong in (torch.zeros(0, 10), torch.zeros(3), torch.zeros(3, 1)):
        with pytest.raises(ValueError, match=r"expected logits \(N, K\)"):
            score(wrong)
