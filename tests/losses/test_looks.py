"""What a network sees for a loss: its maps are its own, it stays frozen, and what gives none is told apart."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from losses import (
    ConsistencyLoss,
    ContextualLoss,
    DISTSLoss,
    FeatureLoss,
    StyleLoss,
    TorchvisionFeatures,
    VGGFeatureLoss,
    consistency,
    feature_distance,
)
from losses.networks.vgg import VGGFeatures


def random_weights(network: str) -> dict[str, Tensor]:
    from torchvision import models

    torch.manual_seed(0)
    return models.get_model(network, weights=None).state_dict()


@pytest.mark.parametrize(
    ("network", "layer", "deeper"),
    [
        ("resnet18", "layer1.0.bn2", "layer2"),
        ("mobilenet_v3_small", "features.3.block", "features.4"),
        ("efficientnet_b0", "features.2.1.block", "features.3"),
        ("densenet121", "features.norm5", "classifier"),
    ],
)
def test_a_map_is_the_same_whatever_is_asked_for_besides(network: str, layer: str, deeper: str) -> None:
    weights, image = random_weights(network), torch.rand(1, 3, 64, 64)
    alone, both = (TorchvisionFeatures(network, layers, weights)(image) for layers in ([layer], [layer, deeper]))
    assert torch.equal(alone[layer], both[layer])


def test_swins_maps_have_channels_first() -> None:
    network = TorchvisionFeatures("swin_t", ["features.0.0", "features.1", "norm"], random_weights("swin_t"))
    maps = network(torch.rand(2, 3, 64, 96))
    assert maps["features.0.0"].shape == (2, 96, 16, 24)
    assert maps["features.1"].shape == (2, 96, 16, 24)
    assert maps["norm"].shape == (2, 768, 2, 3)


class Holder(nn.Module):
    """A user's model with a loss in it."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.generator, self.loss = nn.Conv2d(3, 3, 1), loss


class Maps(nn.Module):
    """A user's extractor, with batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def forward(self, image: Tensor) -> Mapping[str, Tensor]:
        return {"a": self.layers(image)}


KERNELS = torch.randn(64, 3, 3, 3, generator=torch.Generator().manual_seed(0))
VGG = {"features.0.weight": KERNELS, "features.0.bias": torch.zeros(64)}


class Seen(nn.Module):
    """A user's own loss on a comparator's maps."""

    def __init__(self) -> None:
        super().__init__()
        self.comparator = VGGFeatures(["relu1_1"], weights=VGG)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return (self.comparator(image)["relu1_1"] - target.mean()).abs().mean()


HELD = {
    "comparator": Seen,
    "vgg": lambda: VGGFeatureLoss("relu1_1", weights=VGG),
    "features": lambda: FeatureLoss(Maps()),
    "style": lambda: StyleLoss("a", extractor=Maps()),
    "contextual": lambda: ContextualLoss("a", extractor=Maps()),
}


@pytest.mark.parametrize("name", HELD)
def test_a_network_stays_frozen_in_a_model_that_is_trained(name: str) -> None:
    model = Holder(HELD[name]()).requires_grad_(True).train()
    for part in model.loss.children():
        part.train()  # as by a model that registers the extractor once more
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    before = {key: value.clone() for key, value in [*model.loss.named_parameters(), *model.loss.named_buffers()]}
    model.loss(model.generator(torch.rand(2, 3, 8, 8)), torch.rand(2, 3, 8, 8)).backward()
    optimizer.step()
    after = dict([*model.loss.named_parameters(), *model.loss.named_buffers()])
    assert before.keys() == after.keys() != set()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert model.generator.weight.grad is not None


def test_an_operator_that_is_a_module_is_not_trained() -> None:
    loss = ConsistencyLoss(nn.Conv2d(3, 3, 2, stride=2))
    holder = Holder(loss).requires_grad_(True)
    loss(holder.generator(torch.rand(1, 3, 4, 4)), torch.rand(1, 3, 2, 2)).backward()
    assert [parameter.grad for parameter in loss.parameters()] == [None, None]
    assert not any(parameter.requires_grad for parameter in ConsistencyLoss(nn.Conv2d(3, 3, 2)).parameters())
    assert loss.state_dict() == {}
    assert holder.generator.weight.grad is not None


def test_dists_runs_in_16_bits() -> None:
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    weights: dict[str, Tensor] = {}
    for place, before, after in zip(places, widths, widths[1:], strict=False):
        weights[f"features.{place}.weight"] = torch.randn(after, before, 3, 3) * (2 / 9 / before) ** 0.5
        weights[f"features.{place}.bias"] = torch.zeros(after)
    fitted = {"alpha": torch.rand(1475), "beta": torch.rand(1475)}
    loss, image, target = DISTSLoss(fitted, weights), torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    expected = loss(image, target)
    found = loss.bfloat16()(image.bfloat16(), target.bfloat16()).float()
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0.1)


@pytest.mark.parametrize("loss", [FeatureLoss(nn.Conv2d(3, 4, 3)), StyleLoss("a", extractor=nn.Conv2d(3, 4, 3))])
def test_an_extractor_that_gives_a_tensor_is_told(loss: nn.Module) -> None:
    image = torch.rand(1, 3, 8, 8)
    with pytest.raises(TypeError, match=r"extractor: expected it to give \{name: tensor\}, got Tensor"):
        loss(image, image)


def test_mistakes_in_what_is_compared_are_told_by_name() -> None:
    image, maps = torch.rand(1, 3, 4, 4), {"a": torch.rand(1, 2)}
    with pytest.raises(TypeError, match="weights: expected one value for each layer's name, got list"):
        feature_distance(maps, maps, ["a"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="features: expected one value for each layer's name, got Tensor"):
        feature_distance(image, image, {"a": 1.0})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="scale: expected a positive number, got nan"):
        feature_distance(maps, maps, {"a": 1.0}, scale=float("nan"))
    with pytest.raises(TypeError, match="downscale: expected a function or a module, got int"):
        consistency(image, image, 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="downscale: expected a tensor, got NoneType"):
        consistency(image, image, lambda _: None)  # pyright: ignore[reportArgumentType]


def test_a_model_with_a_loss_can_be_transformed() -> None:
    model, image = Holder(FeatureLoss(Maps())), torch.rand(1, 3, 8, 8)

    def value(parameters: dict[str, Tensor]) -> Tensor:
        made = torch.func.functional_call(model.generator, parameters, image)
        return torch.func.functional_call(model.loss, dict(model.loss.named_parameters()), (made, image))

    gradients = torch.func.grad(value)(dict(model.generator.named_parameters()))
    assert gradients["weight"].abs().sum() > 0
    moved = {name: 2 * value for name, value in model.requires_grad_(True).loss.named_parameters()}
    torch.func.functional_call(model.loss, moved, (image, image))
    torch.func.grad(lambda given: torch.func.functional_call(model.loss, given, (image, image)))(moved)
