"""What holds for every class: settings are checked where it is made and shown by its repr, and it can stand in a model.

A setting that is added later fails here until there is a wrong value for it in `WRONG`.
"""

import copy
import inspect
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from loss_calls import shufflenet, vgg16
from torch import Tensor, nn

import losses
from losses.networks.vgg import VGGFeatures

CLASSES: dict[str, type] = {
    name: getattr(losses, name)
    for name in losses.__all__
    if isinstance(getattr(losses, name), type) and name != "AdversarialLoss"
}
ADVERSARIAL = {
    name
    for name in CLASSES
    if hasattr(CLASSES[name], "critic_loss") and name not in ("CategoricalGAN", "SemiSupervised")
}


def halved(image: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(image, 2)


def maps_of(image: Tensor) -> dict[str, Tensor]:
    return {"small": halved(image)}


def vgg() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "features.0.weight": torch.randn(64, 3, 3, 3, generator=generator) / 5,
        "features.0.bias": torch.zeros(64),
        "features.2.weight": torch.randn(64, 64, 3, 3, generator=generator) / 24,
        "features.2.bias": torch.zeros(64),
    }


def squeezenet() -> dict[str, Tensor]:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    return squeezenet1_1(weights=None).state_dict()


def dists_weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {kind: torch.rand(1, 1475, 1, 1, generator=generator) for kind in ("alpha", "beta")}


NEEDED: dict[str, Callable[[], dict[str, Any]]] = {
    "ConsistencyLoss": lambda: {"downscale": halved},
    "ContextualLoss": lambda: {"layers": "conv1_2", "weights": vgg()},
    "DISTSLoss": lambda: {"weights": dists_weights(), "vgg": vgg16()},
    "EnergyMargin": lambda: {"margin": 1.0},
    "FDivergence": lambda: {"name": "kl"},
    "FeatureLoss": lambda: {"extractor": maps_of},
    "HistoricalAverage": lambda: {"parameters": [torch.ones(2)]},
    "LazyRegularization": lambda: {"every": 2},
    "LPIPSLoss": lambda: {"network": "squeeze", "weights": squeezenet()},
    "MinibatchDiscrimination": lambda: {"features": 4},
    "SqueezeNetFeatures": lambda: {"layers": ["relu1"], "weights": squeezenet()},
    "StyleLoss": lambda: {"layers": ["conv1_1", "conv1_2"], "weights": vgg()},
    "TorchvisionFeatures": lambda: {
        "network": "shufflenet_v2_x0_5",
        "layers": ["conv1", "stage2"],
        "weights": shufflenet(),
    },
    "VGGFeatureLoss": lambda: {"layers": {"conv1_1": 0.5, "conv1_2": 1.0}, "weights": vgg()},
}
"""What a class cannot be made without; the other settings have defaults."""

NO_NUMBER = [math.nan, math.inf, -math.inf, "1", True, 10**400, [1.0], torch.tensor(1.0), 1j]
NO_POSITIVE = [0, -1, *NO_NUMBER, None]
NO_SIZE = [0, -1, 1.5, "2", True, torch.tensor(2), None]
NO_NAME = ["avg", "", None, 0, True, ["mean"], torch.tensor(1.0)]
WRONG: dict[str, list[Any]] = {
    "alpha": [-1, *NO_NUMBER],
    "approximation": [-1, *NO_NUMBER],
    "bandwidth": NO_POSITIVE,
    "data_range": NO_POSITIVE,
    "delta": NO_POSITIVE,
    "dimensions": NO_SIZE,
    "distance": NO_NAME,
    "downscale": ["bicubic", None],
    "eps": NO_POSITIVE,
    "every": NO_SIZE,
    "extractor": ["vgg19", 3],
    "features": NO_SIZE,
    "form": NO_NAME,
    "generator": NO_NAME,
    "kernels": NO_SIZE,
    "levels": NO_SIZE,
    "label_weight": [-1, *NO_NUMBER, None],
    "layers": [[], {}, 3, [3], torch.tensor(1.0), {"conv1_2": math.nan}, {"conv1_2": "1"}],
    "margin": NO_POSITIVE,
    "name": ["chi", None, ["kl"]],
    "network": NO_NAME,
    "norm": ["l1", None, 1],
    "parameters": [[], [1.0], None, 3, torch.tensor(1.0), [torch.tensor([1])]],
    "parametrisation": NO_NAME,
    "patches": NO_SIZE,
    "period": [1, *NO_SIZE],
    "reduction": NO_NAME,
    "scale": NO_POSITIVE,
    "scales": [0, 6, 2.5, "5", True],
    "sigma": NO_POSITIVE,
    "smoothing": NO_NAME,
    "vgg": [{}, "no such file", 3],
    "wavelet": NO_NAME,
    "weights": [{}, "no such file", 3],
    "window": [1, *NO_SIZE],
}
NOT_SHOWN = {
    "weights": "too large",
    "vgg": "too large",
    "extractor": "a function, or a module that shows itself",
    "downscale": "a function",
}


def made(name: str, /, **changed: Any) -> Any:
    return CLASSES[name](**{**NEEDED.get(name, dict)(), **changed})


def settings_of(name: str) -> list[str]:
    parameters = inspect.signature(CLASSES[name]).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


every = pytest.mark.parametrize("name", CLASSES)


@pytest.mark.parametrize(("name", "setting"), [(name, setting) for name in CLASSES for setting in settings_of(name)])
def test_a_wrong_setting_is_refused_where_the_loss_is_made(name: str, setting: str) -> None:
    made(name)
    for value in WRONG[setting]:
        with pytest.raises((ValueError, TypeError), match=r"expected|only the divergence|cannot be read|do not fit"):
            made(name, **{setting: value})


def test_an_even_window_and_a_total_without_its_places_are_refused_where_the_loss_is_made() -> None:
    with pytest.raises(ValueError, match="window: expected an odd number from 3, got 4"):
        losses.LocalDiscriminativeLoss(4)
    with pytest.raises(ValueError, match="reduction: expected one of mean, sum; got 'none'"):
        losses.TotalVariationLoss(reduction="none")  # pyright: ignore[reportArgumentType]


@every
def test_repr_shows_the_settings(name: str) -> None:
    module = made(name)
    for setting in settings_of(name):
        assert f"{setting}=" in repr(module) or setting in NOT_SHOWN, (setting, repr(module))


def test_repr_shows_values() -> None:
    assert (
        repr(losses.CharbonnierLoss(0.01, reduction="sum")) == "CharbonnierLoss(eps=0.01, form='root', reduction='sum')"
    )
    assert repr(losses.LeastSquares("one-sided")) == "LeastSquares(smoothing='one-sided', reduction='mean')"
    shown = repr(made("VGGFeatureLoss", scale=0.5))
    assert "layers={'conv1_1': 0.5, 'conv1_2': 1.0}, network='vgg19', distance='l1', scale=0.5" in shown


@every
def test_copies_and_pickles(name: str) -> None:
    module = made(name)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(again) == repr(module)


# --- in a model of the user's -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ADVERSARIAL | {"CategoricalGAN", "SemiSupervised"}))
def test_objectives_can_stand_in_a_module_dict(name: str) -> None:
    objectives = nn.ModuleDict({name: made(name), "other": losses.Hinge()})
    assert name in repr(objectives)
    assert dict(objectives.state_dict()) == {}
    real, fake = torch.rand(4, 3), torch.rand(4, 3)
    objective: Any = objectives[name]
    assert objective.critic_loss(real, fake).isfinite()
    assert objective.generator_loss(fake, real).isfinite()


NETWORKS = [
    "ContextualLoss",
    "DISTSLoss",
    "LPIPSLoss",
    "SqueezeNetFeatures",
    "StyleLoss",
    "TorchvisionFeatures",
    "VGGFeatureLoss",
]


class Model(nn.Module):
    """A generator with its loss beside it, as users write."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.generator = nn.Conv2d(3, 3, 1)
        self.loss = loss


def with_weights(model: Model) -> dict[str, Tensor]:
    """The state dict as it was before frozen weights were left out of it."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("name", [*NETWORKS, "FeatureLoss"])
def test_frozen_weights_stay_out_of_the_users_state_dict_which_loads_without_and_with_them(name: str) -> None:
    own = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    changed = {"extractor": own} if name == "FeatureLoss" else {}
    first, second = Model(made(name, **changed)), Model(copy.deepcopy(made(name, **changed)))
    assert len(with_weights(first)) > 2
    assert set(first.state_dict()) == {"generator.weight", "generator.bias"}
    assert dict(first.loss.state_dict()) == {}
    frozen = {key: value for key, value in with_weights(second).items() if key.startswith("loss.")}
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.generator.weight, first.generator.weight)
    assert all(torch.equal(value, frozen[key]) for key, value in with_weights(second).items() if key in frozen)
    old = with_weights(first)
    old |= {key: value + 1 for key, value in old.items()}
    second.load_state_dict(old)
    assert all(torch.equal(value, old[key]) for key, value in with_weights(second).items())
    assert len(own.state_dict()) == 7  # a network of one's own can still be saved by itself


def test_a_state_dict_with_a_key_too_many_or_too_few_is_refused_as_ever() -> None:
    model = Model(made("VGGFeatureLoss"))
    for state in ({**model.state_dict(), "loss.other": torch.zeros(1)}, {"generator.bias": torch.zeros(3)}):
        with pytest.raises(RuntimeError, match=r"Unexpected key.*loss\.other|Missing key.*generator\.weight"):
            model.load_state_dict(state)


def test_a_network_is_put_into_evaluation_mode_for_good() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5)).train()
    for loss in (
        losses.FeatureLoss(lambda image: {"a": image}),
        losses.FeatureLoss(copy.deepcopy(network)),
        losses.StyleLoss("a", extractor=copy.deepcopy(network)),
        losses.ContextualLoss("a", extractor=copy.deepcopy(network)),
    ):
        for before in (lambda loss: loss, lambda loss: loss.train()):
            assert not any(module.training for module in before(loss).modules() if module is not loss)
        assert not any(parameter.requires_grad for parameter in loss.parameters())
    for name in NETWORKS:
        assert not any(module.training for module in list(made(name).modules())[1:])


# --- reductions -------------------------------------------------------------------------------------------------------

OF_IMAGES = [name for name in CLASSES if "reduction" in settings_of(name) and name not in ADVERSARIAL]


@pytest.mark.parametrize("name", [name for name in OF_IMAGES if name != "TotalVariationLoss"])
@pytest.mark.parametrize("distance", ["l1", "l2", "charbonnier", "euclidean"])
def test_reductions_of_images_agree(name: str, distance: str) -> None:
    if "distance" not in settings_of(name):
        if distance != "l1":
            return
        changed = {}
    else:
        changed = {"distance": distance}
    a, b = torch.rand(3, 3, 18, 20), torch.rand(3, 3, 18, 20)
    if name == "ContextualLoss":
        a, b = a[..., :6, :6], b[..., :6, :6]
    each = made(name, **changed, reduction="none")(a, b)
    assert each.shape in ((3,), a.shape)
    assert each.flatten().unique().numel() > 1
    torch.testing.assert_close(made(name, **changed, reduction="sum")(a, b), each.sum())
    torch.testing.assert_close(made(name, **changed, reduction="mean")(a, b), each.mean())
    torch.testing.assert_close(made(name, **changed)(a, b), each.mean())
    if each.ndim == 1:  # a sample's value does not depend on the others
        alone = torch.stack([made(name, **changed)(a[i : i + 1], b[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(each, alone)


@pytest.mark.parametrize("name", sorted(ADVERSARIAL))
def test_reductions_of_scores_agree(name: str) -> None:
    real, fake = torch.randn(4, 1, 2, 2), torch.randn(4, 1, 2, 2)
    mean, total, each = (made(name, reduction=reduction) for reduction in ("mean", "sum", "none"))
    for step in (
        lambda loss: loss.critic_loss(real, fake),
        lambda loss: loss.generator_loss(fake, real),
    ):
        values = step(each)
        if name != "RelativisticAverage":
            assert values.shape == real.shape
        torch.testing.assert_close(step(mean), values.mean())
        torch.testing.assert_close(step(total), values.sum())
    if name == "RelativisticPairing":
        return  # there is no mean of pairs without a partner
    with pytest.raises(
        ValueError, match=r"'none' needs real and fake scores of one shape, got \(4, 1, 2, 2\) and \(3, "
    ):
        each.critic_loss(real, fake[:3])
    assert mean.critic_loss(real, fake[:3]).shape == total.critic_loss(real, fake[:3]).shape == ()


# --- ranges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NETWORKS, "SSIMLoss", "MSSSIMLoss", "ColorConsistencyLoss"])
def test_images_of_another_range_get_one_warning(name: str) -> None:
    if name in ("SqueezeNetFeatures", "TorchvisionFeatures"):
        return  # its loss may be of any network, which may want any range
    loss = made(name)
    a, b = torch.rand(1, 3, 18, 18), torch.rand(1, 3, 18, 18)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(a + 0.3, b)
    with pytest.warns(UserWarning, match=rf"{name}: expected images in \[0, 1\], got values far outside") as caught:
        loss(255 * a, 255 * b)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(255 * a, 255 * b)


@pytest.mark.parametrize("name", ["VGGFeatureLoss", "StyleLoss"])
def test_a_target_that_is_looked_at_beforehand_gets_the_warning_too(name: str) -> None:
    loss = made(name)
    view = loss.features_of if name == "VGGFeatureLoss" else loss.grams_of
    with pytest.warns(UserWarning, match=rf"{name}: expected images in \[0, 1\], got values far outside"):
        view(255 * torch.rand(1, 3, 8, 8))


def test_a_state_dict_of_the_vgg_itself_is_left_out_too() -> None:
    assert dict(VGGFeatures(["conv1_2"], weights=vgg()).state_dict()) == {}
