"""What holds for every tensor that a loss takes: a NaN is never lost, an infinity neither, and what is no tensor, or an
empty one, or one of another type, is named.

`CALLS` has every public loss with an input for each of its tensors; a test sees to it that none is missing.
"""

import inspect

import pytest
import torch
from _pytest.mark import ParameterSet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loss_calls import CALLS, Call
from torch import Tensor

import losses

WITHOUT_TENSORS = {
    "AdversarialLoss": "a type",
    "LazyRegularization": "counts steps",
    "alone": "says whose batch it is",
    "batch_layout": "says what a batch consists of",
    "batch_part": "says which part of a batch it is",
    "bits_per_dimension": "takes numbers as well",
    "categorical_entropy": "a constant",
    "drawn_for_batch": "draws, and never looks at values",
    "global_mean": "no loss",
    "processes": "a number",
    "uniform_entropy": "a constant",
}
ARGUMENTS = [pytest.param(call, name, id=f"{key}: {name}") for key, call in CALLS.items() for name in call.tensors]
USED = [
    pytest.param(call, name, id=f"{key}: {name}")
    for key, call in CALLS.items()
    for name, tensor in call.tensors.items()
    if tensor.is_floating_point() and name not in call.optional
]


def key_of(case: ParameterSet) -> tuple[str, str]:
    """The loss's key in `CALLS`, and the tensor's name."""
    key, _, name = str(case.id).partition(": ")
    return key, name


quickly = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))  # pyright: ignore[reportArgumentType]


def with_value(tensor: Tensor, place: float, value: float) -> Tensor:
    """The same but for one element, at that share of the way through it."""
    changed = tensor.clone()
    changed.view(-1)[min(int(place * tensor.numel()), tensor.numel() - 1)] = value
    return changed


def test_every_public_loss_is_here() -> None:
    here = {key.partition(",")[0].split()[0] for key in CALLS}
    assert here | set(WITHOUT_TENSORS) == set(losses.__all__)


def test_every_tensor_of_every_function_is_here() -> None:
    """So that an argument that is added later is tested too."""
    for name in losses.__all__:
        if name.islower() and name not in WITHOUT_TENSORS:
            hints = inspect.signature(getattr(losses, name)).parameters
            taken = {key for key, hint in hints.items() if "Tensor" in str(hint.annotation)} - {"critic", "downscale"}
            given = {
                argument for key, call in CALLS.items() if key.partition(",")[0] == name for argument in call.tensors
            }
            if getattr(losses, name) in [call.function for call in CALLS.values()]:
                assert taken - {"weight"} <= given, name


@pytest.mark.parametrize(("call", "name"), USED)
@quickly
@given(place=st.floats(0, 1))
@pytest.mark.filterwarnings("ignore:.*far outside")
def test_one_nan_anywhere_makes_the_value_nan(call: Call, name: str, place: float) -> None:
    assert call().isfinite().all()
    for where in (place, 0.0, 1.0):  # the corners in any case
        assert call(**{name: with_value(call.tensors[name], where, torch.nan)}).isnan().any()
    assert call(**{name: torch.full_like(call.tensors[name], torch.nan)}).isnan().any()


@pytest.mark.parametrize(("call", "name"), [case for case in USED if case.values[1] not in case.values[0].bounded])  # pyright: ignore[reportAttributeAccessIssue]
@quickly
@given(place=st.floats(0, 1), value=st.sampled_from([torch.inf, -torch.inf]))
@pytest.mark.filterwarnings("ignore:.*far outside")
def test_an_infinity_is_not_hidden_where_the_formula_has_no_finite_limit(call, name: str, place: float, value) -> None:
    assert not call(**{name: with_value(call.tensors[name], place, value)}).isfinite().all()


@pytest.mark.parametrize(("call", "name"), ARGUMENTS)
@pytest.mark.parametrize("convert", [Tensor.tolist, Tensor.numpy], ids=["list", "array"])
def test_a_list_or_an_array_is_a_type_error_that_says_tensor(call: Call, name: str, convert) -> None:
    if name in call.optional:
        return
    kind = {Tensor.tolist: "list", Tensor.numpy: "ndarray"}[convert]
    with pytest.raises(TypeError, match=rf"expected (a tensor|a number or a tensor|.* tensors), got {kind}"):
        call(**{name: convert(call.tensors[name])})


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_empty_batch_is_a_value_error(call: Call) -> None:
    with pytest.raises(ValueError, match=r"got \(0"):
        call(**{name: tensor[:0] for name, tensor in call.tensors.items()})


# --- gradients --------------------------------------------------------------------------------------------------------

LINEAR = {
    "reparameterise": "a sample, and the slope of a sum",
    "importance_log_weights": "log-likelihoods of single draws, and the slope of a sum",
    "negative_elbo": "the slope of a sum, for its first argument",
}
"""Their slope is 1 whatever the number is."""


def value_and_gradients(call: Call, **changed: Tensor) -> tuple[Tensor, list[Tensor]]:
    """With gradients for all tensors that can have one."""
    tensors = {
        name: tensor.clone().requires_grad_() if tensor.is_floating_point() else tensor
        for name, tensor in {**call.tensors, **changed}.items()
    }
    value = call(**tensors)
    if not value.requires_grad:
        return value, []
    wanted = [tensor for tensor in tensors.values() if tensor.requires_grad]
    gradients = torch.autograd.grad(value.sum(), wanted, allow_unused=True)
    return value, [gradient for gradient in gradients if gradient is not None]


@pytest.mark.parametrize(("call", "name"), [case for case in USED if key_of(case)[0] not in LINEAR])
@pytest.mark.filterwarnings("ignore:.*far outside")
def test_where_a_nan_makes_the_value_nan_a_gradient_is_nan_too(call: Call, name: str) -> None:
    """The slope of |x| or relu(x) is 0 there by torch, with which an optimiser would go on."""
    changed = [with_value(call.tensors[name], where, torch.nan) for where in (0.0, 0.5, 1.0)]
    for tensor in (*changed, torch.full_like(call.tensors[name], torch.nan)):
        value, gradients = value_and_gradients(call, **{name: tensor})
        assert value.isnan().any()
        assert not gradients or any(gradient.isnan().any() for gradient in gradients)


@pytest.mark.parametrize(("call", "name"), USED)
@pytest.mark.parametrize("infinity", [torch.inf, -torch.inf])
@pytest.mark.filterwarnings("ignore:.*far outside")
def test_where_the_value_is_a_number_gradients_are_numbers(call: Call, name: str, infinity: float) -> None:
    changed = [with_value(call.tensors[name], where, infinity) for where in (0.0, 0.5, 1.0)]
    for tensor in (*changed, torch.full_like(call.tensors[name], infinity)):
        value, gradients = value_and_gradients(call, **{name: tensor})
        if value.isfinite().all():
            assert all(gradient.isfinite().all() for gradient in gradients)


# --- types ------------------------------------------------------------------------------------------------------------

INTEGERS = {  # whole numbers that mean something
    "l1: weight": "a mask",
    "L1Loss: weight": "a mask",
    "categorical_information, one-hot: code": "a one-hot code",
    "categorical_pixel_nll: image": "levels",
    "mixture_of_logistics_nll: image": "levels",
    "r1_penalty: score": "has a gradient, and so is no whole number",
    "r2_penalty: score": "has a gradient, and so is no whole number",
    "FeatureLoss: image": "a network's own affair",
    "FeatureLoss: target": "a network's own affair",
}
OWN_NETWORK = {"ContextualLoss", "FeatureLoss", "StyleLoss", "r1_penalty", "r2_penalty"}


@pytest.mark.parametrize(
    ("call", "name"),
    [case for case in USED if ": ".join(key_of(case)) not in INTEGERS and key_of(case)[0] not in OWN_NETWORK],
)
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64])
def test_whole_and_complex_numbers_are_a_value_error_that_says_floating_point(call: Call, name: str, dtype) -> None:
    with pytest.raises(ValueError, match=r"floating-point|expected int64 levels or floats|expected int64 classes"):
        call(**{name: (call.tensors[name] * 255).to(dtype)})


@pytest.mark.parametrize("key", [key for key in INTEGERS if key.startswith(("l1", "L1Loss", "categorical_inf"))])
def test_masks_and_one_hot_codes_may_be_whole_but_not_complex(key: str) -> None:
    call, name = CALLS[key.partition(":")[0]], key.partition(": ")[2]
    mask = call.tensors[name].round()
    for dtype in (torch.int64, torch.bool):
        torch.testing.assert_close(call(**{name: mask.to(dtype)}), call(**{name: mask}))
    with pytest.raises(ValueError, match="complex64"):
        call(**{name: mask.to(torch.complex64)})


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_all_inputs_may_be_of_another_precision(call: Call, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    value = call(**{name: tensor.to(dtype) for name, tensor in call.tensors.items() if tensor.is_floating_point()})
    assert value.isfinite().all()


def test_a_tensor_of_another_number_of_dimensions_is_named() -> None:
    images = CALLS["focal_frequency"].tensors
    with pytest.raises(ValueError, match=r"one shape, got \(3, 3, 25, 27\) and \(1, 3, 3, 25, 27\)"):
        losses.focal_frequency(images["a"], images["b"][None])
    with pytest.raises(ValueError, match=r"expected parameters \(N, P \* M, H, W\).*got \(\)"):
        losses.mixture_of_logistics_nll(torch.tensor(1.0), torch.rand(1, 1, 2, 2))


@pytest.mark.parametrize("wrong", [-1, 4])
def test_classes_and_levels_that_there_are_not_are_a_value_error(wrong: int) -> None:
    code, level = torch.tensor([0, wrong]), torch.full((2, 1, 1, 1), wrong)
    with pytest.raises(ValueError, match=f"code: expected 0 to 3, got {wrong}"):
        losses.categorical_information(torch.rand(2, 4), code)
    with pytest.raises(ValueError, match=f"image: expected 0 to 3, got {wrong}"):
        losses.categorical_pixel_nll(torch.rand(2, 4, 1, 1, 1), level)
    beyond = -1 if wrong < 0 else 256
    with pytest.raises(ValueError, match=f"image: expected 0 to 255, got {beyond}"):
        losses.mixture_of_logistics_nll(torch.rand(2, 3, 1, 1), torch.full((2, 1, 1, 1), beyond))


def test_logits_without_a_softmax_are_not_hidden() -> None:
    """An infinity in an unlabelled row, and critics that are infinitely sure: their gradients are NaN."""
    logits = torch.tensor([[0.0, 0.0], [torch.inf, 0.0]])
    for value in (
        losses.labelled_cross_entropy(logits, torch.tensor([0, -1])),
        losses.unlabelled_loss(logits, torch.zeros(1, 2)),
        losses.unlabelled_loss(torch.zeros(1, 2), torch.full((1, 2), -torch.inf)),
        losses.SemiSupervised().generator_loss(logits),
    ):
        assert value.isnan()
    ruled_out = torch.tensor([[0.0, -torch.inf]])
    assert losses.labelled_cross_entropy(ruled_out, torch.tensor([0])) == 0
