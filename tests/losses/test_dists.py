"""DISTS: against the authors' own package, its parts by hand, and the weights that it never does without."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from loss_calls import dists_weights, vgg16
from torch import Tensor
from torch.nn import functional as F

from losses import DISTSLoss, structure_and_texture
from losses.networks.vgg import VGGFeatures, l2_pool


@pytest.fixture(scope="module")
def network() -> dict[str, Tensor]:
    return vgg16()


@pytest.mark.parametrize("size", [(64, 64), (37, 50)])
def test_value_and_slope_are_the_authors(size, network, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = pytest.importorskip("DISTS_pytorch.DISTS_pt")
    from torchvision.models import vgg

    def features_alone(pretrained: bool) -> SimpleNamespace:  # theirs would download weights
        features = vgg.make_layers(vgg.cfgs["D"])
        features.load_state_dict({key.removeprefix("features."): value for key, value in network.items()})
        return SimpleNamespace(features=features)

    monkeypatch.setattr(theirs.models, "vgg16", features_alone)
    reference = theirs.DISTS(load_weights=False)
    file = Path(theirs.__file__).with_name("weights.pt")
    for kind, value in torch.load(file, weights_only=True).items():
        getattr(reference, kind).data = value
    ours = DISTSLoss(file, network, "none")
    image = torch.rand(2, 3, *size)
    target = (image + 0.2 * torch.randn_like(image)).clamp(0, 1)
    slopes: list[Tensor] = []
    for loss in (lambda x: ours(x, target), lambda x: reference(x, target, require_grad=True)):
        x = image.clone().requires_grad_()
        value = loss(x)
        slopes += [value.detach(), *torch.autograd.grad(value.sum(), x)]
    torch.testing.assert_close(slopes[0], slopes[2], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(slopes[1], slopes[3], rtol=1e-2, atol=1e-6)
    assert slopes[0].min() > 1e-3


def test_structure_and_texture_are_the_formula_computed_with_numpy() -> None:
    own, other = torch.rand(2, 2, 3, 4, 5, dtype=torch.float64).numpy()
    alpha, beta = np.array([0.1, 0.2, 0.3]), np.array([0.05, 0.25, 0.1])
    expected = np.ones(2)
    for n in range(2):
        for c in range(3):
            x, y = own[n, c], other[n, c]
            covariance = (x * y).mean() - x.mean() * y.mean()
            expected[n] -= alpha[c] * (2 * x.mean() * y.mean() + 1e-6) / (x.mean() ** 2 + y.mean() ** 2 + 1e-6)
            expected[n] -= beta[c] * (2 * covariance + 1e-6) / (x.var() + y.var() + 1e-6)
    given = [{"a": torch.from_numpy(each)} for each in (own, other, alpha, beta)]
    each = structure_and_texture(given[0], given[1], given[2], given[3], "none")
    assert each.tolist() == pytest.approx(expected)
    mean = structure_and_texture(given[0], given[1], given[2], given[3])
    assert mean.item() == pytest.approx(expected.mean())


def test_texture_does_not_see_where_parts_are_and_structure_not_how_bright_they_are() -> None:
    maps = torch.rand(1, 4, 6, 6, dtype=torch.float64)
    shuffled = maps.flatten(2)[..., torch.randperm(36)].view_as(maps)
    all_of_it, none = {"a": torch.full((4,), 0.25)}, {"a": torch.zeros(4)}
    assert structure_and_texture({"a": shuffled}, {"a": maps}, all_of_it, none).abs() < 1e-12
    assert structure_and_texture({"a": shuffled}, {"a": maps}, none, all_of_it) > 0.3
    assert structure_and_texture({"a": maps + 1}, {"a": maps}, none, all_of_it).abs() < 1e-12
    assert structure_and_texture({"a": maps + 1}, {"a": maps}, all_of_it, none) > 0.1


def test_l2_pooling_is_the_root_of_a_local_mean_square() -> None:
    maps = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    window = np.hanning(5)[1:-1]
    window = torch.from_numpy(np.outer(window, window) / window.sum() ** 2).expand(3, 1, 3, 3)
    expected = F.conv2d(F.pad(maps.square(), [1] * 4), window, groups=3)[..., ::2, ::2].sqrt()
    torch.testing.assert_close(l2_pool(maps), expected)
    assert l2_pool(maps).shape == (2, 3, 4, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_slope_of_l2_pooling_is_finite_where_a_map_is_zero(dtype: torch.dtype) -> None:
    maps = torch.zeros(1, 2, 4, 4, dtype=dtype, requires_grad=True)
    l2_pool(maps).sum().backward()
    assert maps.grad is not None
    assert (maps.grad == 0).all()


def test_the_image_gets_a_gradient_the_target_none_and_autocast_costs_little(network) -> None:
    loss = DISTSLoss(dists_weights(), network)
    image, target = torch.rand(2, 1, 3, 40, 40)
    image.requires_grad_()
    target.requires_grad_()
    value = loss(image, target)
    value.backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert target.grad is None
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss(image, target)
    torch.testing.assert_close(mixed, value, rtol=0.1, atol=1e-3)
    assert loss(image, image) == 0


def test_maxima_stay_what_a_vgg_has_unless_others_are_asked_for(network) -> None:
    image = torch.rand(1, 3, 16, 16)
    plain, pooled = (VGGFeatures(["relu2_1"], "vgg16", network, kind)(image)["relu2_1"] for kind in ("max", "l2"))
    assert plain.shape == pooled.shape
    assert not torch.allclose(plain, pooled)
    with pytest.raises(ValueError, match="pooling: expected one of max, l2; got 'mean'"):
        VGGFeatures(["relu2_1"], "vgg16", network, "mean")  # pyright: ignore[reportArgumentType]


def test_there_are_no_weights_but_those_that_are_given(network, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="weights: expected a state dict or a file with alpha and beta, got None"):
        DISTSLoss(None, network)
    given = dists_weights()
    for wrong, said in (
        ({"alpha": given["alpha"]}, "'beta' of 1475 numbers, got only 'alpha'"),
        ({**given, "beta": given["beta"][:, :3]}, "'beta' of 1475 numbers, got of 3"),
        ({**given, "alpha": -given["alpha"]}, "'alpha' of the weights not to be negative, got -0"),
        ({kind: torch.zeros(1475) for kind in given}, "some of the weights above 0, got none"),
    ):
        with pytest.raises(ValueError, match=said):
            DISTSLoss(wrong, network)
    torch.save(given, tmp_path / "weights.pt")
    image, target = torch.rand(2, 1, 3, 40, 40)
    of_file = DISTSLoss(tmp_path / "weights.pt", network)(image, target)
    assert torch.equal(of_file, DISTSLoss(given, network)(image, target))
    equal = DISTSLoss({kind: torch.ones(1475) for kind in given}, network)(image, target)
    assert not torch.allclose(of_file, equal)


@pytest.mark.parametrize(
    ("alpha", "beta", "message"),
    [
        ({"a": torch.ones(1)}, {"a": torch.ones(3)}, r"alpha: expected 3 weights of 'a', got \(1,\)"),
        ({"a": torch.ones(3)}, {"a": torch.ones(5)}, r"beta: expected 3 weights of 'a', got \(5,\)"),
        ({"a": torch.ones(3)}, {"b": torch.ones(3)}, "expected weights of the same maps, at least one; got a and b"),
        ({}, {}, "got none and none"),
    ],
)
def test_weights_of_other_channels_are_refused(alpha, beta, message: str) -> None:
    maps = {"a": torch.rand(2, 3, 4, 4)}
    with pytest.raises(ValueError, match=message):
        structure_and_texture(maps, maps, alpha, beta)
