"""VGG feature loss against torchvision's own network run by hand, any other network, every way to give weights."""

import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from losses import FeatureLoss, VGGFeatureLoss, charbonnier, feature_distance
from losses.networks.vgg import VGGFeatures, layer_names
from losses.perceptual import SRGAN_SCALE

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
NORMALISED = "weights/vgg_normalised_conv3_1.pth"


@pytest.fixture(scope="module")
def vgg19() -> nn.Module:
    """torchvision's network up to pool5, with random weights whose maps neither die nor explode."""
    return _random_network(torchvision.models.vgg19)


@pytest.fixture(scope="module")
def vgg16() -> nn.Module:
    return _random_network(torchvision.models.vgg16)


def _random_network(make) -> nn.Module:
    torch.manual_seed(1)
    with torch.device("meta"):
        features = make(weights=None).features
    features = features.to_empty(device="cpu").eval()
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)  # pyright: ignore[reportArgumentType]
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return features


def keys_of(features: nn.Module, layers: int | None = None) -> dict[str, Tensor]:
    """The state dict with torchvision's keys, of the first so many layers."""
    return {f"features.{k}": v for k, v in features[:layers].state_dict().items()}  # pyright: ignore[reportIndexIssue]


def run(features, image: Tensor, last: int) -> Tensor:
    return features[: last + 1]((image - MEAN) / STD)


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    return torch.rand(2, 3, 32, 40), torch.rand(2, 3, 32, 40)


# --- layers -----------------------------------------------------------------------------------------------------------


def test_conv5_4_and_relu5_4_are_torchvision_layers_34_and_35(vgg19, images) -> None:
    taps = VGGFeatures(["conv5_4", "relu5_4"], weights=keys_of(vgg19))(images[0])
    torch.testing.assert_close(taps["conv5_4"], run(vgg19, images[0], 34), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(taps["relu5_4"], run(vgg19, images[0], 35), rtol=1e-4, atol=1e-4)
    assert taps["conv5_4"].min() < 0  # a tap that the next ReLU overwrote would have no negative values
    assert torch.equal(taps["relu5_4"], taps["conv5_4"].clamp(min=0))


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_every_layer_is_torchvisions(network, images, request) -> None:
    features = request.getfixturevalue(network)
    names = layer_names(network)
    assert len(names) == len(features)
    taps = VGGFeatures(names, network, keys_of(features))(images[0])
    hidden = (images[0] - MEAN) / STD
    for name, layer in zip(names, features, strict=True):
        hidden = layer(hidden)
        torch.testing.assert_close(taps[name], hidden, rtol=1e-4, atol=1e-4)


def test_a_tap_kept_by_reference_is_overwritten_by_the_relu_in_place_that_torchvision_has() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    convolution = layers[0](torch.rand(1, 3, 8, 8))
    assert convolution.min() < 0
    layers[1](convolution)
    assert convolution.min() == 0  # "conv" has silently become "relu"


def test_colours_are_normalised_to_imagenets(vgg19, images) -> None:
    state = keys_of(vgg19, 1)
    taps = VGGFeatures(["conv1_1"], weights=state)(images[0])["conv1_1"]
    torch.testing.assert_close(taps, vgg19[0]((images[0] - MEAN) / STD), rtol=1e-4, atol=1e-4)
    assert (taps - vgg19[0](images[0])).abs().max() > 0.5  # of [0, 1] as it is
    assert (taps - vgg19[0](2 * images[0] - 1)).abs().max() > 0.1  # of [-1, 1]


def test_nothing_is_kept_beyond_the_deepest_layer(vgg19) -> None:
    features = VGGFeatures(["relu2_1", "conv1_2"], weights=keys_of(vgg19))
    assert list(features.convolutions) == ["conv1_1", "conv1_2", "conv2_1"]
    assert features.names[-1] == "relu2_1"


# --- the loss ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distance", "formula"),
    [
        ("l1", F.l1_loss),
        ("l2", F.mse_loss),
        ("charbonnier", charbonnier),
        ("euclidean", lambda a, b: (a - b).square().sum() / 2 / len(a)),
    ],
)
def test_value_is_the_weighted_sum_of_distances(vgg19, images, distance, formula) -> None:
    loss = VGGFeatureLoss({"conv1_2": 0.5, "pool3": 2.0}, distance=distance, weights=keys_of(vgg19), scale=0.1)
    a, b = images
    expected = sum(
        weight * formula(0.1 * run(vgg19, a, layer), 0.1 * run(vgg19, b, layer))
        for weight, layer in ((0.5, 2), (2.0, 18))
    )
    torch.testing.assert_close(loss(a, b), torch.as_tensor(expected), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss(a, b), loss(b, a))
    torch.testing.assert_close(loss(a, a), 2.5 * torch.as_tensor(formula(a, a)))  # 0, or eps


def test_a_name_or_a_list_weighs_one(vgg19, images) -> None:
    state = keys_of(vgg19, 8)
    one, other = VGGFeatureLoss("conv1_2", weights=state), VGGFeatureLoss("relu2_1", weights=state)
    both = VGGFeatureLoss(["conv1_2", "relu2_1"], weights=state)
    torch.testing.assert_close(both(*images), one(*images) + other(*images))
    assert VGGFeatureLoss(weights=keys_of(vgg19)).layer_weights == {"conv5_4": 1.0}


def test_srgan_scale(vgg19, images) -> None:
    state = keys_of(vgg19, 8)
    plain, scaled = (VGGFeatureLoss("relu2_1", distance="l2", weights=state, scale=s) for s in (1.0, SRGAN_SCALE))
    torch.testing.assert_close(scaled(*images), plain(*images) / 12.75**2)


@pytest.mark.parametrize(
    ("name", "layers", "formula", "scale"),
    [
        ("srgan", {35: 1}, F.mse_loss, 1 / 12.75),
        ("srgan-vgg22", {8: 1}, F.mse_loss, 1 / 12.75),
        ("esrgan", {34: 1}, F.l1_loss, 1),
        ("real-esrgan", {2: 0.1, 7: 0.1, 16: 1, 25: 1, 34: 1}, F.l1_loss, 1),
    ],
)
def test_presets_are_the_papers_by_torchvisions_layer_numbers(vgg19, images, name, layers, formula, scale) -> None:
    a, b = images
    expected = sum(w * formula(scale * run(vgg19, a, n), scale * run(vgg19, b, n)) for n, w in layers.items())
    loss = VGGFeatureLoss.preset(name, keys_of(vgg19))
    torch.testing.assert_close(loss(a, b), torch.as_tensor(expected), rtol=1e-4, atol=1e-6)


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match="preset: expected one of srgan, srgan-vgg22, esrgan, real-esrgan; got 'edsr'"):
        VGGFeatureLoss.preset("edsr")  # pyright: ignore[reportArgumentType]


def test_features_of_a_target_serve_more_than_once(vgg19, images) -> None:
    image, target = images[0].clone().requires_grad_(), images[1].clone().requires_grad_()
    loss = VGGFeatureLoss(["conv1_2", "conv2_1"], weights=keys_of(vgg19, 8))
    wanted = loss.features_of(target)
    assert not any(maps.requires_grad for maps in wanted.values())
    assert torch.equal(loss(image, wanted), loss(image, target))
    for _ in range(2):
        loss(image, wanted).backward()
    assert target.grad is None
    with pytest.raises(ValueError, match="expected features of layers conv1_2, conv2_1; got conv1_2, conv2_1 and conv"):
        loss(image, {"conv1_2": wanted["conv1_2"]})


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True")  # torch sees the mistake too
def test_a_loss_wrapped_in_a_new_tensor_has_no_gradient_and_ours_has(vgg19, images) -> None:
    image = images[0].clone().requires_grad_()
    loss = VGGFeatureLoss("conv1_2", weights=keys_of(vgg19, 3))(image, images[1])
    wrapped = torch.Tensor([loss])
    assert not wrapped.requires_grad
    with pytest.raises(RuntimeError, match="does not require grad"):
        wrapped.backward()
    assert torch.autograd.grad(loss, image)[0].abs().sum() > 0


@pytest.mark.filterwarnings("ignore:.*far outside")
def test_gradient_is_finite_at_equal_constant_and_extreme_images(vgg19) -> None:
    loss = VGGFeatureLoss(["relu1_2", "conv2_2"], weights=keys_of(vgg19, 10), distance="l1")
    for target in (torch.rand(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 1e4)):
        for other in (target, target + 0.5):
            image = other.clone().requires_grad_()
            value = loss(image, target)
            (gradient,) = torch.autograd.grad(value, image)
            assert value.isfinite()
            assert gradient.isfinite().all()
            assert (value == 0) == torch.equal(image, target)


def test_compiles_without_graph_breaks(vgg19, images) -> None:
    torch._dynamo.reset()
    loss = VGGFeatureLoss(["conv1_2", "conv2_2"], weights=keys_of(vgg19, 10))
    torch.testing.assert_close(torch.compile(loss, backend="eager", fullgraph=True)(*images), loss(*images))


def test_gradient_reaches_the_image_only(vgg19, images) -> None:
    image, target = (x.clone().requires_grad_() for x in images)
    loss = VGGFeatureLoss("conv2_2", weights=keys_of(vgg19, 10))
    loss(image, target).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert target.grad is None
    assert all(not p.requires_grad and p.grad is None for p in loss.parameters())


def test_gradcheck(vgg19) -> None:
    loss = VGGFeatureLoss(["conv1_2", "pool1"], distance="l2", weights=keys_of(vgg19, 5)).double()
    image = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (image,))


def test_stays_frozen_in_train_mode(vgg19) -> None:
    loss = VGGFeatureLoss("conv1_1", weights=keys_of(vgg19, 1)).train()
    assert not loss.features.training
    assert not loss.features.convolutions.training


def test_bfloat16_input_is_computed_in_fp32_and_autocast_is_respected(vgg19, images) -> None:
    loss = VGGFeatureLoss("conv2_2", weights=keys_of(vgg19, 10))
    a, b = (x.bfloat16() for x in images)
    assert torch.equal(loss(a, b), loss(a.float(), b.float()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss.features(a)["conv2_2"].dtype == torch.bfloat16
        assert loss(a, b).dtype == torch.float32


def test_maps_are_scaled_in_fp32(vgg19, images) -> None:
    state = keys_of(vgg19, 8)
    plain, scaled = (VGGFeatureLoss("conv2_1", weights=state, scale=s) for s in (1.0, SRGAN_SCALE))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(scaled(*images), plain(*images) / 12.75, rtol=1e-6, atol=0)


def test_images_of_another_precision_than_the_weights(vgg19, images) -> None:
    loss = VGGFeatureLoss("conv1_2", weights=keys_of(vgg19, 3))
    torch.testing.assert_close(loss(*(x.double() for x in images)), loss(*images))


def test_wrong_images(vgg19) -> None:
    loss = VGGFeatureLoss("conv3_1", weights=keys_of(vgg19, 11))
    with pytest.raises(ValueError, match="one shape"):
        loss(torch.rand(1, 3, 8, 8), torch.rand(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"RGB images \(N, 3, H, W\), got \(1, 1, 8, 8\)"):
        loss(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8))
    with pytest.raises(ValueError, match="at least 4x4 pixels"):
        loss(torch.rand(1, 3, 3, 8), torch.rand(1, 3, 3, 8))
    assert loss(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)) > 0


# --- any network ------------------------------------------------------------------------------------------------------


class Comparator(nn.Module):
    """A small network with dropout and a head, in training mode and with trainable weights until it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(4, 2)
        self.calls: list[bool] = []

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        self.calls.append(torch.is_grad_enabled())
        maps = self.body(image)
        return {"maps": maps, "head": self.head(maps.mean(dim=(2, 3)))}


def test_any_network_may_see_for_the_loss_and_is_frozen_by_it(images) -> None:
    network = Comparator()
    loss = FeatureLoss(network, {"maps": 2.0}, distance="euclidean", scale=0.5).train()
    image, target = (x.clone().requires_grad_() for x in images)
    value = loss(image, target)
    maps = [network(x)["maps"] for x in images]
    torch.testing.assert_close(value, 2.0 * (0.5 * (maps[0] - maps[1])).square().sum() / 2 / 2)
    assert torch.equal(loss(image, target), value)  # no dropout, no statistics of the batch
    value.backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert target.grad is None
    assert not any(p.requires_grad or p.grad is not None for p in network.parameters())


def test_the_targets_features_are_computed_once_without_a_gradient(images) -> None:
    network = Comparator()
    loss = FeatureLoss(network)
    loss(*images)
    assert sorted(network.calls) == [False, True]
    wanted = loss.features_of(images[1])
    network.calls.clear()
    for _ in range(3):
        loss(images[0], wanted)
    assert network.calls == [True] * 3


def test_every_map_counts_one_unless_told_otherwise_and_the_target_gets_no_gradient_as_one_of_them(images) -> None:
    image, target = (x.clone().requires_grad_() for x in images)
    loss = FeatureLoss(lambda x: {"pixels": x, "means": x.mean(dim=(2, 3))})
    value = loss(image, target)
    torch.testing.assert_close(value, F.l1_loss(*images) + F.l1_loss(*(x.mean(dim=(2, 3)) for x in images)))
    value.backward()
    assert image.grad is not None
    assert target.grad is None


@given(st.lists(st.floats(0, 10), min_size=1, max_size=4), st.floats(0.1, 10), st.integers(0, 1000))
def test_feature_distance_is_linear_in_the_weights_symmetric_and_not_negative(weights, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    layers = {str(i): weight for i, weight in enumerate(weights)}
    a, b = ({k: torch.randn(2, 3, generator=generator, dtype=torch.float64) for k in layers} for _ in range(2))
    for distance, power in (("l1", 1), ("l2", 2), ("euclidean", 2)):
        value = feature_distance(a, b, layers, distance, scale)  # pyright: ignore[reportArgumentType]
        each = [feature_distance(a, b, {k: 1.0}, distance) for k in layers]  # pyright: ignore[reportArgumentType]
        torch.testing.assert_close(value, scale**power * sum(w * d for w, d in zip(weights, each, strict=True)))
        torch.testing.assert_close(feature_distance(b, a, layers, distance, scale), value)  # pyright: ignore[reportArgumentType]
        assert value >= 0
        assert feature_distance(a, a, layers, distance) == 0  # pyright: ignore[reportArgumentType]


def test_missing_layers_and_unknown_distances_are_a_value_error() -> None:
    maps = {"a": torch.rand(1, 2)}
    with pytest.raises(ValueError, match="expected features of layers a, b; got a and a"):
        feature_distance(maps, maps, {"a": 1.0, "b": 1.0})
    with pytest.raises(ValueError, match="at least one layer"):
        feature_distance(maps, maps, {})
    with pytest.raises(ValueError, match=r"one shape, got \(1, 2\) and \(1, 3\)"):
        feature_distance(maps, {"a": torch.rand(1, 3)}, {"a": 1.0})
    message = "distance: expected one of l1, l2, charbonnier, euclidean; got 'cosine'"
    with pytest.raises(ValueError, match=message):
        feature_distance(maps, maps, {"a": 1.0}, "cosine")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=message):
        FeatureLoss(lambda x: {"a": x}, distance="cosine")  # pyright: ignore[reportArgumentType]


# --- weights ----------------------------------------------------------------------------------------------------------


def test_whole_and_truncated_state_dicts_and_files_give_the_same(vgg19, images, tmp_path: Path) -> None:
    whole = {**keys_of(vgg19), "classifier.0.weight": torch.zeros(2, 2)}
    torch.save(OrderedDict(keys_of(vgg19, 8)), tmp_path / "vgg.pth")
    given = [whole, keys_of(vgg19, 8), tmp_path / "vgg.pth", str(tmp_path / "vgg.pth")]
    values = [VGGFeatureLoss("conv2_2", weights=weights)(*images) for weights in given]
    assert all(torch.equal(value, values[0]) for value in values)


def test_default_weights_come_from_torchvisions_cache(vgg16, images, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    torch.save(keys_of(vgg16), tmp_path / "hub/checkpoints/vgg16-397923af.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    default = VGGFeatureLoss("relu3_3", "vgg16")
    assert torch.equal(default(*images), VGGFeatureLoss("relu3_3", "vgg16", weights=keys_of(vgg16))(*images))


def test_failed_download_says_what_to_fetch(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        RuntimeError, match=r"Fetch the file vgg19-dcbb9e9d\.pth .* weights='path/to/vgg19-dcbb9e9d\.pth'"
    ):
        VGGFeatureLoss()


def test_normalised_vgg_equals_a_hand_run(data_folder: Path, images) -> None:
    state = torch.load(data_folder / NORMALISED, weights_only=True)

    def convolution(x: Tensor, key: int) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), state[f"{key}.weight"], state[f"{key}.bias"])

    def by_hand(image: Tensor) -> Tensor:
        x = F.conv2d(image, state["0.weight"], state["0.bias"])
        x = F.relu(convolution(F.relu(convolution(x, 2)), 5))
        x = F.relu(convolution(F.relu(convolution(F.max_pool2d(x, 2), 9)), 12))
        return convolution(F.max_pool2d(x, 2), 16)

    loss = VGGFeatureLoss("conv3_1", weights=data_folder / NORMALISED)
    taps = loss.features(images[0])["conv3_1"]
    torch.testing.assert_close(taps, by_hand(images[0]), rtol=1e-4, atol=1e-4)
    assert 0.1 < F.relu(taps).mean() < 10  # its activations are of order 1 on its own input range
    torch.testing.assert_close(loss(*images), F.l1_loss(by_hand(images[0]), by_hand(images[1])), rtol=1e-4, atol=1e-5)


def test_normalised_vgg_is_not_deep_enough(data_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"conv3_2 needs '19\.weight'.* the deepest they hold is conv3_1 \(relu3_1\)"):
        VGGFeatureLoss("conv5_4", weights=data_folder / NORMALISED)
    with pytest.raises(ValueError, match="those of vgg16, got a normalised VGG19"):
        VGGFeatureLoss("conv3_1", "vgg16", weights=data_folder / NORMALISED)
    loss = VGGFeatureLoss("relu3_1", weights=data_folder / NORMALISED)
    with pytest.raises(ValueError, match="at least 8x8 pixels"):
        loss(torch.rand(1, 3, 7, 7), torch.rand(1, 3, 7, 7))
    assert loss(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)) > 0


def test_weights_of_something_else(vgg16, vgg19, data_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"expected those of vgg19, .* 'features\.17'"):
        VGGFeatureLoss("conv1_1", "vgg19", weights=keys_of(vgg16, 18))
    with pytest.raises(ValueError, match=r"the deepest they hold is conv2_1 \(relu2_1\)"):
        VGGFeatureLoss("conv2_2", weights=keys_of(vgg19, 7))
    with pytest.raises(ValueError, match=r"expected those of vgg19, .* 'features\.\d+"):
        VGGFeatureLoss("conv1_1", weights=data_folder / "weights/squeezenet1_1_onnxzoo_tvkeys.pth")
    with pytest.raises(ValueError, match=r"to hold a state dict, .* got a dictionary of 'params'"):
        VGGFeatureLoss("conv1_1", weights=data_folder / "weights/realesr-animevideov3.pth")
    with pytest.raises(ValueError, match=r"keys such as 'features\.0\.weight' .* got 'conv_1"):
        VGGFeatureLoss("conv1_1", weights=data_folder / "weights/team38_span_ch28_slim.pth")
    with pytest.raises(ValueError, match="got an empty state dict"):
        VGGFeatureLoss("conv1_1", weights={})
    with pytest.raises(ValueError, match="do not fit vgg19"):
        VGGFeatureLoss(
            "conv1_1", weights={"features.0.weight": torch.zeros(8, 3, 3, 3), "features.0.bias": torch.zeros(8)}
        )


class Malicious:
    """Pickles into a call of a function."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code of the file was run')",)


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", pickle.dumps({"features.0.weight": Malicious()}, protocol=2)]
)
def test_files_that_are_no_state_dict(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "vgg.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"weights: .*vgg\.pth cannot be read as a state dict"):
        VGGFeatureLoss(weights=tmp_path / "vgg.pth")


def test_malicious_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Malicious()}, tmp_path / "vgg.pth")
    with pytest.raises(ValueError, match=r"vgg\.pth cannot be read as a state dict"):
        VGGFeatureLoss(weights=tmp_path / "vgg.pth")


def test_missing_file_and_other_contents(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.pth cannot be read"):
        VGGFeatureLoss(weights=tmp_path / "nothing.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth to hold a state dict, .* got a list"):
        VGGFeatureLoss(weights=tmp_path / "list.pth")


def test_unknown_names(vgg19) -> None:
    with pytest.raises(ValueError, match="'conv5_5'"):
        VGGFeatureLoss("conv5_5", weights=keys_of(vgg19))
    with pytest.raises(ValueError, match="'conv3_4'"):
        VGGFeatureLoss("conv3_4", "vgg16", weights=keys_of(vgg19))
    with pytest.raises(ValueError, match="got none"):
        VGGFeatureLoss([], weights=keys_of(vgg19))
    with pytest.raises(ValueError, match="'vgg11'"):
        VGGFeatureLoss(network="vgg11", weights=keys_of(vgg19))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="'cosine'"):
        VGGFeatureLoss(distance="cosine", weights=keys_of(vgg19))  # pyright: ignore[reportArgumentType]
