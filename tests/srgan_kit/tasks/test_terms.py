"""The table of content terms: each trains, in 16 bits and out of range too, and is the loss that it is named after.

What else holds of terms, and of those that are the project's own, is in test_content.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from loss_calls import dists_weights, shufflenet, vgg16
from safetensors.torch import save_file
from torch import Tensor, nn

import losses
from srgan_kit.contracts import Batch, Sample
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.content import TERMS, Content
from srgan_kit.training.dry_run import dry_run

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory, vgg_file: Path, squeezenet_file: Path) -> list[str]:
    """Settings that give each comparing network random weights."""
    folder = tmp_path_factory.mktemp("terms")
    torch.save(dists_weights(), folder / "dists.pt")
    torch.save(vgg16(), folder / "vgg16.pth")
    settings = [
        f"perceptual.weights={vgg_file}",
        f"lpips.weights={squeezenet_file}",
        "distillation.teachers=['x4-fidelity']",
    ]
    settings += [f"dists.weights={folder / 'dists.pt'}", f"dists.vgg={folder / 'vgg16.pth'}"]
    layers = "layers={conv1_1=1.0, conv1_2=0.5}"
    return [*settings, f"perceptual.{layers}", f"style.{layers}", "contextual.layers={conv1_2=1.0}"]


def pair() -> tuple[Batch, Sample]:
    """A batch of 32x32 real images with low-resolution ones, and images near the real ones as output."""
    real, noise = torch.rand(2, 2, 3, 32, 32)
    return Batch(real, condition=torch.rand(2, 3, 8, 8)), Sample(0.7 * real + 0.3 * noise)


def content(settings: list[str], **weights: float) -> Content:
    chosen = [f"weights.{name}={weight}" for name, weight in ({"pixel": 0.0} | weights).items()]
    return Content(load_recipe("smoke", [*settings, *chosen]), CPU)


@pytest.mark.parametrize("name", TERMS)
def test_every_term_trains(name: str, tiny, weights: list[str], tmp_path: Path) -> None:
    """Alone and in bf16: every weight of the generator moves, and numbers stay numbers."""
    task = "unconditional" if TERMS[name].needs == "batch" else "super-resolution"
    recipe = tiny.recipe(task, "none", *weights, f"weights={{{name}=1.0}}", "precision=bf16", "optimizer.warmup=0")
    run = tiny.run(recipe, tmp_path)
    dry_run(run)
    before = tiny.weights(run)
    values = tiny.step(run) | tiny.step(run)
    assert all(torch.tensor(value).isfinite() for value in values.values())
    assert values["generator_gradient"] > 0
    assert [key for key, value in tiny.weights(run).items() if torch.equal(value, before[key])] == []


@pytest.mark.parametrize("name", [name for name in TERMS if name != "distillation"])
def test_every_term_takes_16_bit_outputs_out_of_range(name: str, weights: list[str]) -> None:
    batch, sample = pair()
    outside = (1.5 * sample.image - 0.25).to(torch.bfloat16)
    term = content(weights, **{name: 1.0})
    values = [term(batch, Sample(image))[name] for image in (outside, outside.float(), outside.float().clamp(0, 1))]
    torch.testing.assert_close(values[0], values[1])
    assert values[0] != values[2]  # not clamped on the way
    image = outside.clone().requires_grad_()
    term(batch, Sample(image))[name].backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0


SAME: dict[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "huber": ("huber.delta=0.2", losses.HuberLoss(0.2)),
    "charbonnier": ("charbonnier.eps=0.1", losses.CharbonnierLoss(0.1)),
    "ssim": ("seed=0", losses.SSIMLoss()),
    "ms_ssim": ("ms_ssim.scales=1", losses.MSSSIMLoss(scales=1)),
    "focal_frequency": ("focal_frequency={alpha=2.0, patches=2}", losses.FocalFrequencyLoss(2.0, 2)),
    "stationary_wavelet": (
        "stationary_wavelet={wavelet='haar', levels=2, approximation=0.5}",
        losses.StationaryWaveletLoss("haar", 2, 0.5),
    ),
    "sobel": ("sobel.form=magnitude", losses.SobelLoss("magnitude")),
    "color_consistency": ("color_consistency.sigma=1.5", losses.ColorConsistencyLoss(1.5)),
    "local_discriminative": ("local_discriminative.window=5", losses.LocalDiscriminativeLoss(5)),
    "moment_matching": ("moment_matching.orders=1", lambda fake, real: losses.moment_matching(real, fake, 1)),
    "maximum_mean_discrepancy": (
        "maximum_mean_discrepancy={bandwidths=[10.0, 30.0], estimate='unbiased'}",
        lambda fake, real: losses.maximum_mean_discrepancy(real, fake, (10.0, 30.0), "unbiased"),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_term_is_its_loss_with_the_settings_of_its_table(name: str) -> None:
    batch, sample = pair()
    setting, loss = SAME[name]
    term = content([setting], **{name: 1.0})(batch, sample)[name]
    torch.testing.assert_close(term, loss(sample.image, batch.image))
    if setting != "seed=0":
        assert term != content([], **{name: 1.0})(batch, sample)[name]


def test_dists_is_the_loss_on_the_given_weights(weights: list[str]) -> None:
    batch, sample = pair()
    expected = losses.DISTSLoss(dists_weights(), vgg16())(sample.image, batch.image)
    torch.testing.assert_close(content(weights, dists=1.0)(batch, sample)["dists"], expected)


# --- one network for several terms ------------------------------------------------------------------------------------

LOOKING = ("perceptual", "style", "contextual")


def test_terms_of_one_network_are_their_losses_and_it_looks_at_each_image_once(weights: list[str], vgg_file) -> None:
    batch, _ = pair()
    layers = {"conv1_1": 1.0, "conv1_2": 0.5}
    expected = {
        "perceptual": losses.VGGFeatureLoss(layers, weights=vgg_file),
        "style": losses.StyleLoss(layers, weights=vgg_file),
        "contextual": losses.ContextualLoss("conv1_2", weights=vgg_file),
    }
    terms = content(weights, **dict.fromkeys(LOOKING, 1.0))
    calls: list[tuple[int, ...]] = []
    assert terms.network is not None
    terms.network.network.register_forward_hook(lambda _, inputs, __: calls.append(inputs[0].shape))
    for number in (1, 2):  # nothing is known of the step before
        image = torch.rand(2, 3, 32, 32, requires_grad=True)
        values = terms(batch, Sample(image))
        assert len(calls) == 2 * number
        for name, loss in expected.items():
            wanted = loss(image, batch.image)
            assert torch.equal(values[name], wanted), name
            slopes = [torch.autograd.grad(value, image, retain_graph=True)[0] for value in (values[name], wanted)]
            torch.testing.assert_close(slopes[0], slopes[1])


def test_they_see_the_same_shift(weights: list[str]) -> None:
    batch, sample = pair()
    shifted = [*weights, "perceptual.translation=3"]
    for name in LOOKING:
        alone, together = content(shifted, **{name: 1.0}), content(shifted, **dict.fromkeys(LOOKING, 1.0))
        values: list[Tensor] = []
        for terms in (alone, together):
            torch.manual_seed(5)
            values.append(terms(batch, sample)[name])
        torch.testing.assert_close(*values)
        assert values[0] != content(weights, **{name: 1.0})(batch, sample)[name]


def test_one_of_them_may_hold_a_share_of_the_gradient(tiny, weights: list[str], tmp_path: Path) -> None:
    """Each term's gradient is taken by itself then, through the same maps."""
    settings = [*weights, "weights={pixel=1.0, perceptual=0.1, style='share:0.2'}", "share_every=1"]
    run = tiny.run(tiny.recipe("super-resolution", "none", *settings), tmp_path)
    values = [tiny.step(run) for _ in range(4)]
    assert values[-1]["share/style"] == pytest.approx(0.2, abs=0.05)
    assert values[-1]["weight_style"] > 0


def test_an_output_that_is_the_real_image_itself_still_gets_a_gradient(weights: list[str]) -> None:
    image = torch.rand(2, 3, 32, 32, requires_grad=True)
    value = content(weights, perceptual=1.0, style=1.0)(Batch(image), Sample(image))["style"]
    assert value.requires_grad
    assert value == 0


def test_a_classifier_of_torchvision_compares_with_weights_from_a_file(tmp_path: Path) -> None:
    save_file(shufflenet(), tmp_path / "network.safetensors")
    settings = ["perceptual.network=torchvision:shufflenet_v2_x0_5", "perceptual.layers={stage2=1.0}"]
    batch, sample = pair()
    term = content([*settings, f"perceptual.weights={tmp_path / 'network.safetensors'}"], perceptual=1.0)
    expected = losses.FeatureLoss(losses.TorchvisionFeatures("shufflenet_v2_x0_5", ["stage2"], shufflenet()))
    torch.testing.assert_close(term(batch, sample)["perceptual"], expected(sample.image, batch.image))


# --- the averaged generator -------------------------------------------------------------------------------------------


def test_local_discriminative_learning_excuses_what_the_averaged_generator_does_worse(tiny, tmp_path: Path) -> None:
    recipe = tiny.recipe("super-resolution", "none", "weights={pixel=1.0, local_discriminative=1.0}", "ema=0.99")
    run = tiny.run(recipe, tmp_path)
    for parameter in run.average.network.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    batch = tiny.batch(run)
    sample = run.sample(batch)
    assert sample.average is not None
    assert not sample.average.requires_grad
    torch.testing.assert_close(sample.average, run.average.network(batch, needs_prior_sample=False).image)
    value = run.task.content_terms(batch, sample)["local_discriminative"]
    torch.testing.assert_close(value, losses.local_discriminative(sample.image, batch.image, sample.average))
    assert value < losses.local_discriminative(sample.image, batch.image)
    plain = tiny.run(tiny.recipe("super-resolution", "none"), tmp_path)
    assert plain.sample(batch).average is None  # no forward pass for nothing
    drawn = tiny.recipe("super-resolution", "none", "weights={local_discriminative=1.0}", "latent.noise=4")
    assert tiny.run(drawn, tmp_path).sample(batch).average is None


def test_a_run_with_an_average_and_a_shifted_network_goes_on_bit_for_bit(tiny, weights: list[str], tmp_path) -> None:
    terms = "weights={pixel=1.0, local_discriminative=1.0, perceptual=0.1, style=0.1, lpips=0.1}"
    shifts = ["perceptual.translation=2", "lpips.translation=2"]
    run, again = (tiny.run(tiny.recipe("super-resolution", "none", *weights, terms, *shifts), tmp_path) for _ in "ab")
    for _ in range(2):
        tiny.step(run)
    run.save()
    again.restore()
    assert tiny.step(run) == tiny.step(again)
    for one, other in zip(tiny.weights(run).values(), tiny.weights(again).values(), strict=True):
        assert torch.equal(one, other)


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_kernel_makes_images_of_noise_without_a_critic(tiny, tmp_path: Path) -> None:
    settings = ["weights={maximum_mean_discrepancy=1.0}", "maximum_mean_discrepancy.bandwidths=[5.0, 20.0]"]
    rates = ["optimizer={learning_rate=0.01, warmup=0, clip_gradient=1e6}", "data.batch=8", "validation.holdout=1"]
    run = tiny.run(tiny.recipe("unconditional", "none", *settings, *rates, "steps=40"), tmp_path)
    values = [tiny.step(run)["maximum_mean_discrepancy"] for _ in range(40)]
    assert sum(values[-5:]) < 0.5 * sum(values[:5])


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "settings", "message"),
    [
        ("dists", [], r"weights\.dists needs dists\.weights, a file with its fitted weights"),
        ("dists", ["dists.weights=nowhere.pt"], r"recipe: dists: weights: nowhere\.pt cannot be read as a state dict"),
        ("local_discriminative", ["local_discriminative.window=4"], r"local_discriminative\.window: .*odd.* got 4"),
        ("style", ["perceptual.network=vgg16", "style.layers={relu9=1.0}"], r"recipe: style: layers: .*got 'relu9'"),
        ("perceptual", ["perceptual.network=torchvision:resnet"], r"recipe: perceptual: network: .*got 'resnet'"),
        ("perceptual", ["perceptual.network=vgg18"], r"perceptual\.network: .*torchvision:NAME; got 'vgg18' \(did you"),
        ("sobel", ["sobel.form=sum"], r"sobel\.form: "),
        ("huber", ["huber.delta=0"], r"huber\.delta: "),
    ],
)
def test_a_setting_that_a_term_cannot_have_is_named(term: str, settings: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        content(settings, **{term: 1.0})


def test_images_that_a_term_cannot_take_are_named_with_it(tiny, tmp_path: Path) -> None:
    for term, setting, message in (
        ("stationary_wavelet", "stationary_wavelet.wavelet=sym19", r"at least 37x37 .*a larger data\.size makes them"),
        ("color_consistency", "data.channels=1", r"weights\.color_consistency: expected two RGB images"),
    ):
        recipe = tiny.recipe("reconstruction", "none", f"weights={{{term}=1.0}}", setting)
        with pytest.raises(UserError, match=message):
            dry_run(tiny.run(recipe, tmp_path))


def test_what_a_script_gives_needs_no_table_of_settings() -> None:
    """A recipe from before, without the new tables, is the same recipe."""
    recipe = Recipe(name="test", steps=1, weights={"pixel": 1.0})
    old = recipe.model_dump()
    for table in ("style", "dists", "sobel", "huber"):
        del old[table]
    assert Recipe.model_validate(old) == recipe
