"""LPIPS against the lpips package on the same backbone weights, and the gradients that the package lacks."""

from copy import deepcopy
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn
from torchvision import models

from losses import LPIPSLoss
from losses._tensors import unit_length
from losses.lpips import NETWORKS, SMALLEST

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchvision.models._utils")  # of the package's making

SQUEEZENET = "weights/squeezenet1_1_onnxzoo_tvkeys.pth"


def random_weights(network: str) -> dict[str, Tensor]:
    """The convolutional part with torchvision's keys, and maps that neither die nor explode."""
    torch.manual_seed(3)
    with torch.device("meta"):
        features = getattr(models, NETWORKS[network])(weights=None).features
    features = features.to_empty(device="cpu")
    for layer in features.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.05)  # pyright: ignore[reportArgumentType]
    return {f"features.{k}": v for k, v in features.state_dict().items()}


def package(network: str, weights: dict[str, Tensor]) -> lpips.LPIPS:
    """The package's module, its heads as published, its backbone with these weights: nothing is downloaded."""
    reference = lpips.LPIPS(net=network, pnet_rand=True, verbose=False)
    slices = [child for name, child in reference.net.named_children() if name.startswith("slice")]
    layers = {name: layer for part in slices for name, layer in part.named_children()}  # named by torchvision's index
    for name, layer in layers.items():
        prefix = f"features.{name}."
        layer.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    return reference.eval()


@pytest.fixture(scope="module", params=["alex", "vgg", "squeeze"])
def both(request) -> tuple[LPIPSLoss, lpips.LPIPS]:
    weights = random_weights(request.param)
    return LPIPSLoss(request.param, weights), package(request.param, weights)


@pytest.fixture(scope="module")
def squeeze() -> LPIPSLoss:
    return LPIPSLoss("squeeze", random_weights("squeeze"))


# --- the package ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 64), (37, 50)])
def test_value_is_the_packages_with_normalize(both, size: tuple[int, int]) -> None:
    ours, reference = both
    image, target = torch.rand(2, 3, *size), torch.rand(2, 3, *size)
    expected = reference(image, target, normalize=True).flatten()
    ours.reduction = "none"
    assert expected.min() > 0.01
    torch.testing.assert_close(ours(image, target), expected, rtol=1e-5, atol=1e-6)
    assert (ours(image, target) - reference(image, target).flatten()).abs().max() > 1e-4  # which expects [-1, 1]
    torch.testing.assert_close(ours(image, target), reference(2 * image - 1, 2 * target - 1).flatten())
    ours.reduction = "mean"


def test_gradient_is_the_packages(both) -> None:
    ours, reference = (deepcopy(loss).double() for loss in both)
    image, target = (torch.rand(1, 3, 40, 40, dtype=torch.float64, requires_grad=True) for _ in range(2))
    gradients = torch.autograd.grad(ours(image, target), (image, target))
    expected = torch.autograd.grad(reference(image, target, normalize=True).sum(), (image, target))
    for gradient, wanted in zip(gradients, expected, strict=True):
        largest = wanted.abs().max().item()
        assert largest > 0
        torch.testing.assert_close(gradient, wanted, rtol=1e-5, atol=1e-5 * largest)


def test_published_weights_give_the_packages_values_on_photographs(data_folder: Path) -> None:
    weights = torch.load(data_folder / SQUEEZENET, weights_only=True)
    ours, reference = LPIPSLoss("squeeze", data_folder / SQUEEZENET), package("squeeze", weights)
    reference_image, near, far = (_photograph(data_folder / f"lpips_examples/ex_{n}.png") for n in ("ref", "p0", "p1"))
    for image in (near, far):
        assert ours(image, reference_image).item() == pytest.approx(
            reference(image, reference_image, normalize=True).item(), abs=1e-6
        )
    assert ours(far, reference_image) < ours(near, reference_image)  # as the package's own example has it


def _photograph(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None] / 255


# --- gradients the package lacks --------------------------------------------------------------------------------------


def test_normalisation_has_no_gradient_at_zero_features_in_the_package_and_the_gradient_zero_here() -> None:
    maps = torch.tensor([[0.0, 3.0], [0.0, 4.0]]).view(1, 2, 1, 2).requires_grad_()  # two channels, two pixels
    (wrong,) = torch.autograd.grad(lpips.normalize_tensor(maps).square().sum(), maps)
    assert wrong[..., 0].isnan().all()
    unit = unit_length(maps)
    torch.testing.assert_close(unit.flatten(2), torch.tensor([[[0, 0.6], [0, 0.8]]]))
    (right,) = torch.autograd.grad(unit[:, 0].sum(), maps)
    torch.testing.assert_close(right.flatten(2), torch.tensor([[[0, 16 / 125], [0, -12 / 125]]]))


def test_gradient_is_finite_where_a_layer_sees_next_to_nothing_and_the_packages_is_not(both) -> None:
    ours, reference = deepcopy(both)
    with torch.no_grad():
        for stage in (ours.stages[0], reference.net.slice1):
            for parameter in stage[-2].parameters():  # the convolution before the first ReLU that is compared
                parameter *= 1e-25
    target = torch.rand(1, 3, 64, 64)
    for start in (torch.rand(1, 3, 64, 64), target):
        image = start.clone().requires_grad_()
        (wrong,) = torch.autograd.grad(reference(image, target, normalize=True).sum(), image)
        assert wrong.isnan().any()
        (gradient,) = torch.autograd.grad(ours(image, target), image)
        assert gradient.isfinite().all()


def test_equal_images_have_the_distance_and_the_gradient_zero(both) -> None:
    ours, _ = both
    for target in (torch.rand(2, 3, 64, 64), torch.zeros(2, 3, 64, 64), torch.ones(2, 3, 64, 64)):
        image = target.clone().requires_grad_()
        value = ours(image, target)
        (gradient,) = torch.autograd.grad(value, image)
        assert value == 0
        assert (gradient == 0).all()


def test_gradient_is_the_slope(squeeze: LPIPSLoss) -> None:
    loss = LPIPSLoss("squeeze", random_weights("squeeze")).double()
    target = torch.rand(1, 3, 24, 24, dtype=torch.float64)
    image = torch.rand(1, 3, 24, 24, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (image,), fast_mode=True, atol=1e-4)


def test_a_step_along_the_gradient_makes_images_more_alike(squeeze: LPIPSLoss) -> None:
    image, target = torch.rand(1, 3, 32, 32, requires_grad=True), torch.rand(1, 3, 32, 32)
    value = squeeze(image, target)
    (gradient,) = torch.autograd.grad(value, image)
    assert squeeze(image - 0.01 * gradient / gradient.abs().max(), target) < value


# --- properties -------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), height=st.integers(17, 40), width=st.integers(17, 40))
def test_symmetric_not_negative_and_each_image_by_itself(squeeze, seed: int, height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    image, target = (torch.rand(2, 3, height, width, generator=generator) for _ in range(2))
    value = squeeze(image, target)
    torch.testing.assert_close(squeeze(target, image), value)
    torch.testing.assert_close(squeeze(image.flip(0), target.flip(0)), value)
    each = torch.stack([squeeze(image[i : i + 1], target[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(each.mean(), value, rtol=1e-4, atol=1e-6)
    assert value > 0


def test_reductions_agree(squeeze: LPIPSLoss) -> None:
    weights = random_weights("squeeze")
    image, target = torch.rand(3, 3, 32, 32), torch.rand(3, 3, 32, 32)
    each = LPIPSLoss("squeeze", weights, "none")(image, target)
    assert each.shape == (3,)
    torch.testing.assert_close(squeeze(image, target), each.mean())
    torch.testing.assert_close(LPIPSLoss("squeeze", weights, "sum")(image, target), each.sum())
    with pytest.raises(ValueError, match="'average'"):
        LPIPSLoss("squeeze", weights, "average")(image, target)  # pyright: ignore[reportArgumentType]


def test_network_stays_frozen_and_its_size_is_that_of_the_part_in_use(both) -> None:
    ours, _ = both
    assert not any(module.training for module in ours.train().modules())
    assert not any(p.requires_grad for p in ours.parameters())
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    ours(image, torch.rand(1, 3, 64, 64)).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(p.grad is None for p in ours.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_images_are_computed_in_fp32(squeeze: LPIPSLoss, dtype) -> None:
    image, target = torch.rand(1, 3, 32, 32).to(dtype).requires_grad_(), torch.rand(1, 3, 32, 32).to(dtype)
    value = squeeze(image, target)
    assert torch.equal(value, squeeze(image.float(), target.float()))
    assert torch.autograd.grad(value, image)[0].dtype == dtype


def test_autocast_runs_the_network_in_bf16_and_the_distance_in_fp32(squeeze: LPIPSLoss) -> None:
    image, target = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = squeeze(image, target)
    assert value.dtype == torch.float32
    assert value != squeeze(image, target)
    torch.testing.assert_close(value, squeeze(image, target), rtol=0.05, atol=1e-3)


def test_compiles_without_graph_breaks(squeeze: LPIPSLoss) -> None:
    torch._dynamo.reset()
    images = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(torch.compile(squeeze, backend="eager", fullgraph=True)(*images), squeeze(*images))


# --- wrong use --------------------------------------------------------------------------------------------------------


def test_smallest_image_of_each_network(both) -> None:
    ours, _ = both
    size = SMALLEST[ours.network]
    assert ours(torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)).isfinite()
    small = torch.rand(1, 3, size - 1, size)
    with pytest.raises(ValueError, match=rf"at least {size}x{size} pixels, got \(1, 3, {size - 1}, {size}\)"):
        ours(small, small)
    with pytest.raises(RuntimeError):  # what the network itself would say
        nn.Sequential(*ours.stages)(small)


def test_wrong_images_are_a_value_error_that_says_what_came(squeeze: LPIPSLoss) -> None:
    image = torch.rand(2, 3, 32, 32)
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3, 32, 32\) and \(1, 3, 32, 32\)"):
        squeeze(image, image[:1])
    with pytest.raises(ValueError, match=r"RGB images \(N, 3, H, W\), got \(2, 1, 32, 32\)"):
        squeeze(image[:, :1], image[:, :1])
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        squeeze(image.byte(), image.byte())
    with pytest.raises(ValueError, match=r"torch\.float32 and torch\.uint8"):
        squeeze(image, image.byte())


def test_wrong_weights_are_a_value_error_that_says_what_came(data_folder: Path) -> None:
    with pytest.raises(ValueError, match="network: expected one of alex, vgg, squeeze; got 'resnet'"):
        LPIPSLoss("resnet")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"expected alexnet's 'features\.0\.weight' \(64, 3, 11, 11\), got \(64, 3, 3"):
        LPIPSLoss("alex", data_folder / SQUEEZENET)
    with pytest.raises(ValueError, match=r"expected vgg16's 'features\.0\.weight' \(64, 3, 3, 3\), got nothing"):
        LPIPSLoss("vgg", {})
