"""Adversarial losses: known answers, cross entropy, extreme logits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from losses import NonSaturating

SCORES = st.lists(st.floats(-50, 50), min_size=1, max_size=8).map(lambda s: torch.tensor(s, dtype=torch.float64))


def test_known_answers() -> None:
    real, fake = torch.tensor([[math.log(3.0)]]), torch.tensor([[-math.log(3.0)]])  # probabilities 3/4 and 1/4
    loss = NonSaturating()
    assert loss.critic_loss(real, fake).item() == pytest.approx(2 * math.log(4 / 3))
    assert loss.generator_loss(fake).item() == pytest.approx(math.log(4))
    assert loss.generator_loss(fake, real).item() == loss.generator_loss(fake).item()


@given(SCORES, SCORES)
def test_is_cross_entropy(real: torch.Tensor, fake: torch.Tensor) -> None:
    entropy = F.binary_cross_entropy_with_logits
    loss = NonSaturating()
    expected = entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))
    torch.testing.assert_close(loss.critic_loss(real, fake), expected)
    torch.testing.assert_close(loss.generator_loss(fake), entropy(fake, torch.ones_like(fake)))
    assert loss.critic_loss(real, fake) >= 0


def test_mean_per_side_so_that_scales_of_logit_maps_do_not_matter() -> None:
    loss = NonSaturating()
    one, many = torch.full((2, 1), 0.7), torch.full((2, 1, 16, 16), 0.7)
    torch.testing.assert_close(loss.critic_loss(one, one), loss.critic_loss(many, one))
    torch.testing.assert_close(loss.generator_loss(one), loss.generator_loss(many))


def test_gradients() -> None:
    real = torch.randn(3, 1, dtype=torch.float64, requires_grad=True)
    fake = torch.randn(3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(NonSaturating().critic_loss, (real, fake))
    assert torch.autograd.gradcheck(NonSaturating().generator_loss, (fake,))


def test_generator_gradient_does_not_vanish_where_the_critic_is_sure() -> None:
    fake = torch.tensor([-1e4], requires_grad=True)
    value = NonSaturating().generator_loss(fake)
    value.backward()
    assert value.item() == pytest.approx(1e4)
    assert fake.grad is not None
    assert fake.grad.item() == pytest.approx(-1)


def test_half_precision_is_computed_in_fp32() -> None:
    score = torch.randn(1000).bfloat16()
    loss = NonSaturating()
    assert torch.equal(loss.critic_loss(score, score), loss.critic_loss(score.float(), score.float()))
    assert torch.equal(loss.generator_loss(score), loss.generator_loss(score.float()))
