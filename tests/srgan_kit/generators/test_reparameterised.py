"""Re-parameterised branches: folding is exact, runs export the plain network, resuming keeps the branches."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.generators.super_resolution.reparameterised import (
    BranchedConvolution,
    ReparameterisedConfig,
    folded,
    load_plain,
)
from srgan_kit.generators.super_resolution.residual import ResidualSR, ResidualSRConfig
from srgan_kit.models.generative import load_saved
from srgan_kit.models.super_resolution import load_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.checkpoint import NAME
from srgan_kit.training.loop import train

GENERATOR = "generator={name='reparameterised', channels=4, groups=2, convolutions=2}"
SMALL = ["steps=4", "data.batch=2", "data.patch=8", "device=cpu", "precision=fp32", "validation.holdout=0", GENERATOR]


def recipe(images: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, *more], images)


def trained_branches(channels: int) -> BranchedConvolution:
    """With weights of ordinary size everywhere."""
    branches = BranchedConvolution(channels)
    for parameter in branches.parameters():
        torch.nn.init.normal_(parameter)
    return branches


def image_by_image(branches: BranchedConvolution, x: Tensor) -> Tensor:
    """What the branches make, each computed as the convolutions that it is."""
    mixed = F.conv2d(x, branches.mix.weight)
    spread = F.conv2d(F.pad(mixed, (1, 1, 1, 1)), branches.spread.weight)
    scaled = x * branches.scale.view(1, -1, 1, 1)
    return branches.full(x) + branches.point(x) + spread + scaled


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 3), (9, 7)])
def test_one_kernel_does_what_four_branches_do_up_to_the_border(size: tuple[int, int]) -> None:
    branches = trained_branches(5).double()
    x = torch.randn(2, 5, *size, dtype=torch.float64)
    expected = image_by_image(branches, x)
    torch.testing.assert_close(branches(x), expected, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(branches.folded()(x), expected, atol=1e-12, rtol=1e-12)
    for name in ("point.weight", "mix.weight", "scale", "spread.weight"):  # each has its part in it
        other = trained_branches(5).double()
        other.load_state_dict(branches.state_dict() | {name: torch.zeros_like(branches.state_dict()[name])})
        assert (other(x) - expected).abs().max() > 1e-3, name


def test_gradients_reach_branches_as_if_each_were_computed() -> None:
    branches, x = trained_branches(3).double(), torch.randn(1, 3, 6, 5, dtype=torch.float64)
    parameters = list(branches.parameters())
    by_kernel = torch.autograd.grad(branches(x).square().sum(), parameters)
    by_image = torch.autograd.grad(image_by_image(branches, x).square().sum(), parameters)
    for one, two in zip(by_kernel, by_image, strict=True):
        torch.testing.assert_close(one, two, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_folded_network_is_a_plain_one_with_the_same_output(scale: int) -> None:
    config = ReparameterisedConfig(name="reparameterised", scale=scale, channels=16, groups=3)  # pyright: ignore
    network = config.build()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("scale"):
                parameter.normal_(std=0.1)
    image = torch.rand(1, 3, 17, 13)
    whole = folded(network)
    plain = config.exported().build()
    plain.load_state_dict(whole.state_dict())
    assert config.exported() == ResidualSRConfig(scale=scale, channels=16, groups=3)  # pyright: ignore
    assert (network(image) - plain(image)).abs().max() <= 1e-5
    assert isinstance(network, ResidualSR)
    x = torch.randn(1, 16, 9, 9, dtype=torch.float64)
    body = network.body.double()
    torch.testing.assert_close(folded(body)(x), body(x), atol=1e-12, rtol=1e-12)
    with torch.autocast("cpu", torch.bfloat16):  # the kernels are summed in fp32 first
        branched = network.float()(image)
        assert torch.equal(branched, folded(network)(image))


def test_a_network_with_branches_takes_a_plain_ones_weights_and_all_of_it_learns() -> None:
    torch.manual_seed(1)
    plain, network = ResidualSR(channels=4, groups=2), ReparameterisedConfig(channels=4, groups=2).build()
    image = torch.rand(2, 3, 8, 8)
    assert not torch.allclose(network(image), plain(image))
    load_plain(network, plain)
    assert torch.equal(network(image), plain(image))
    before = {name: value.clone() for name, value in network.named_parameters()}
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(2):  # mix stands behind spread, which is zero at first
        optimizer.zero_grad()
        (network(image) - 0.5).square().mean().backward()
        optimizer.step()
    assert [name for name, value in network.named_parameters() if torch.equal(value, before[name])] == []


def test_a_run_exports_the_plain_network_and_resumes_with_branches(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes), tmp_path / "whole")
    first = train(recipe(two_classes), tmp_path / "run", minutes=0)
    assert first.step == 1
    state = torch.load(tmp_path / "run" / NAME, weights_only=True)
    assert "decoder.body.1.convolutions.1.mix.weight" in state["generator"]["network"]
    train(recipe(two_classes), tmp_path / "run", resume=True)
    model, again = (load_model(tmp_path / run / "model.safetensors") for run in ("whole", "run"))
    for (name, one), two in zip(model.network.state_dict().items(), again.network.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    assert model.architecture == "residual"
    assert model.parameters == sum(p.numel() for p in ResidualSR(channels=4, groups=2, convolutions=2).parameters())
    with safe_open(tmp_path / "run" / "model.safetensors", framework="pt") as file:
        assert '"reparameterised"' in file.metadata()["recipe"]  # how it was trained
        assert '"reparameterised"' not in file.metadata()["generator"]
    average = torch.load(tmp_path / "run" / NAME, weights_only=True)["average"]
    branched = ReparameterisedConfig(channels=4, groups=2, convolutions=2).build()
    branched.load_state_dict({name.removeprefix("decoder."): value for name, value in average.items()})
    image = torch.rand(1, 3, 20, 15)
    assert (branched(image) - model.network(image)).abs().max() <= 1e-5


def test_a_run_starts_from_an_exported_one(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes), tmp_path / "first")
    source = tmp_path / "first" / "model.safetensors"
    still = "steps=1", "optimizer.learning_rate=1e-12", f"initialise_from={source}"
    train(recipe(two_classes, *still), tmp_path / "next")
    image = torch.rand(1, 3, 10, 10)
    models = [load_model(tmp_path / run / "model.safetensors").network for run in ("first", "next")]
    torch.testing.assert_close(models[0](image), models[1](image), atol=1e-6, rtol=0)


def test_a_latent_run_is_saved_folded_too(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes, "latent.noise=3", "steps=1"), tmp_path / "run")
    saved = load_saved(tmp_path / "run")
    assert saved.recipe.generator.name == "residual"
    assert not any(isinstance(module, BranchedConvolution) for module in saved.model.modules())
    low, latent = torch.rand(1, 3, 8, 8), torch.randn(1, 3)
    expected = load_model(tmp_path / "run" / "model.safetensors").network(low, latent)
    assert torch.equal(saved.model.generate(latent, low), expected)
