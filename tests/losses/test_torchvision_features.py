"""Any classifier of torchvision as a comparator: its own maps, weights from files, nothing beyond the layers."""

from pathlib import Path

import pytest
import torch
from loss_calls import shufflenet, squeezenet
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from losses import FeatureLoss, SqueezeNetFeatures, StyleLoss, TorchvisionFeatures
from losses.networks.vgg import IMAGENET_MEAN, IMAGENET_STD

LAYER = ["features.3"]


def test_maps_are_the_networks_own() -> None:
    state, image = shufflenet(), torch.rand(2, 3, 40, 33)
    network = models.shufflenet_v2_x0_5(weights=None).eval()
    network.load_state_dict(state)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    hidden = network.conv1((image - mean) / std)
    deeper = network.stage2(network.maxpool(hidden))
    expected = {
        "conv1": hidden,
        "stage2": deeper,
        "stage3.0.branch1.0": network.stage3.get_submodule("0.branch1.0")(deeper),
    }
    maps = TorchvisionFeatures("shufflenet_v2_x0_5", ["stage3.0.branch1.0", "conv1", "stage2"], state)(image)
    assert maps.keys() == expected.keys()
    for layer, value in expected.items():
        torch.testing.assert_close(maps[layer], value)


def test_a_network_by_its_parts_is_the_network_by_its_papers_names() -> None:
    """A map before its activation, which torchvision overwrites, is not changed."""
    state, image = squeezenet(), torch.rand(1, 3, 24, 24)
    ours = SqueezeNetFeatures(["relu1", "fire2"], state)(image)
    theirs = TorchvisionFeatures("squeezenet1_1", ["features.0", "features.1", "features.3"], state)(image)
    torch.testing.assert_close(theirs["features.0"].relu(), theirs["features.1"])
    assert theirs["features.0"].min() < 0
    torch.testing.assert_close(ours["relu1"], theirs["features.1"])
    torch.testing.assert_close(ours["fire2"], theirs["features.3"])


def test_nothing_beyond_the_deepest_layer_is_computed() -> None:
    comparator = TorchvisionFeatures("squeezenet1_1", LAYER, squeezenet())
    deeper = comparator.features.get_submodule("features.4")
    deeper.register_forward_hook(lambda *_: pytest.fail("computed too much"))
    comparator(torch.rand(1, 3, 32, 32))
    assert not any(module._forward_hooks for module in comparator.modules() if module is not deeper)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_come_from_a_file_of_tensors(suffix: str, tmp_path: Path) -> None:
    state, image = squeezenet(), torch.rand(1, 3, 32, 32)
    state["features.0.weight"] *= 2
    (torch.save if suffix == ".pth" else save_file)(state, tmp_path / f"network{suffix}")
    for loss in (FeatureLoss, lambda network: StyleLoss(LAYER, extractor=network)):
        values = [
            loss(TorchvisionFeatures("squeezenet1_1", LAYER, weights))(image, image.flip(3))
            for weights in (tmp_path / f"network{suffix}", state, squeezenet())
        ]
        assert values[0] == values[1]
        assert values[0] != values[2]


@pytest.mark.filterwarnings("ignore:.*(torch.jit|TorchScript)")
def test_what_is_no_file_of_its_weights_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "network.pt"
    torch.jit.script(nn.Conv2d(3, 3, 1)).save(str(script))
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    for file in (script, tmp_path / "no.safetensors", tmp_path / "nowhere.pth", tmp_path / "nowhere.safetensors"):
        with pytest.raises(ValueError, match=r"weights: .* cannot be read as a state dict"):
            TorchvisionFeatures("squeezenet1_1", LAYER, file)
    with pytest.raises(ValueError, match=r"weights: do not fit squeezenet1_1 \("):
        TorchvisionFeatures("squeezenet1_1", LAYER, shufflenet())


def test_unknown_names_are_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"network: expected one of torchvision's alexnet, .*resnet18.*; got 'resnet'"):
        TorchvisionFeatures("resnet", ["layer1"], {})
    with pytest.raises(ValueError, match=r"layers: expected parts of squeezenet1_1 such as features, .*; got layer9"):
        TorchvisionFeatures("squeezenet1_1", [*LAYER, "layer9"], {})


def test_an_image_too_small_for_the_network_is_named() -> None:
    network = TorchvisionFeatures("squeezenet1_1", ["features.5"], squeezenet())
    with pytest.raises(ValueError, match="squeezenet1_1 does not take images of 2x2 pixels: "):
        network(torch.rand(1, 3, 2, 2))


def test_weights_that_cannot_be_fetched_name_the_file_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing answers there
    with pytest.raises(RuntimeError, match=r"Fetch the file squeezenet1_1-b8a52dc0\.pth .*weights='path/to/squeezenet"):
        TorchvisionFeatures("squeezenet1_1", LAYER)
