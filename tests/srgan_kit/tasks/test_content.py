"""The terms that compare the output with the real image: each is the loss it is named after."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

import losses
from losses import LPIPSLoss
from srgan_kit.contracts import Batch, Sample
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.super_resolution import load_model, save_model
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.sections import ReconstructionConfig
from srgan_kit.tasks.content import TERMS, Content
from srgan_kit.tasks.reconstruction import features_to_invert

CPU = torch.device("cpu")


def content(**settings: object) -> Content:
    return Content(Recipe.model_validate({"name": "test", "steps": 1, **settings}), CPU)


def pair(scale: int = 4) -> tuple[Batch, Sample]:
    """A batch of 32x32 real images with their low-resolution ones, and other images as output."""
    real, fake = torch.rand(2, 2, 3, 32, 32)
    low = torch.rand(2, 3, 32 // scale, 32 // scale)
    return Batch(real, condition=low), Sample(fake)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["phase_balance", "phase_evenness", "phase_bias"])
def test_terms_against_checkerboards_have_the_period_of_the_scale(name: str, scale: int) -> None:
    batch, sample = pair(scale)
    terms = content(weights={name: 1.0})(batch, sample)
    assert terms.keys() == {name}
    loss = getattr(losses, name)
    torch.testing.assert_close(terms[name], loss(sample.paired, batch.image, scale))
    assert terms[name] != loss(sample.paired, batch.image, 6 - scale)


def test_upscaling_compares_the_image_of_the_prior_too(vgg_file: Path) -> None:
    batch, sample = pair()
    sample.reconstruction = torch.rand_like(batch.image)
    weights = {"pixel": 1.0, "perceptual": 1.0}
    vgg = {"weights": vgg_file, "layers": {"conv1_2": 1.0}}
    both = content(weights=weights, perceptual=vgg)(batch, sample)
    each = [
        content(weights=weights, perceptual=vgg)(batch, Sample(made)) for made in (sample.image, sample.reconstruction)
    ]
    for name, value in both.items():
        torch.testing.assert_close(value, (each[0][name] + each[1][name]) / 2)
        assert each[0][name] != each[1][name]


def test_elsewhere_only_the_reconstruction_has_a_partner() -> None:
    batch, sample = pair()
    sample.reconstruction = torch.rand_like(batch.image)
    dcgan = {"name": "dcgan"}
    terms = content(task="reconstruction", weights={"pixel": 1.0}, generator=dcgan, latent={"noise": 4})(batch, sample)
    torch.testing.assert_close(terms["pixel"], losses.l1(sample.reconstruction, batch.image))


def test_a_term_of_scale_needs_the_low_resolution_image() -> None:
    batch, sample = pair()
    with pytest.raises(AssertionError):
        content(weights={"phase_balance": 1.0})(Batch(batch.image), sample)
    assert content(weights={"pixel": 1.0})(Batch(batch.image), sample).keys() == {"pixel"}


def test_lpips_is_the_loss_on_the_given_weights(squeezenet_file: Path) -> None:
    batch, sample = pair()
    terms = content(weights={"lpips": 1.0}, lpips={"weights": squeezenet_file})(batch, sample)
    torch.testing.assert_close(terms["lpips"], LPIPSLoss("squeeze", squeezenet_file)(sample.paired, batch.image))


def test_lpips_without_its_weights_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recipe: lpips: .*nowhere\.pth"):
        content(weights={"lpips": 1.0}, lpips={"weights": tmp_path / "nowhere.pth"})


def test_a_weight_of_0_switches_a_term_off(tmp_path: Path) -> None:
    batch, sample = pair()
    nowhere = {"weights": tmp_path / "nowhere.pth"}
    off = content(
        weights={"pixel": 1.0, "mse": 0.0, "lpips": 0.0, "perceptual": 0.0}, lpips=nowhere, perceptual=nowhere
    )
    assert off(batch, sample).keys() == {"pixel"}


def test_crops_that_are_too_small_for_a_term_are_named_with_it() -> None:
    batch, sample = Batch(torch.rand(1, 3, 24, 24), condition=torch.rand(1, 3, 6, 6)), Sample(torch.rand(1, 3, 24, 24))
    with pytest.raises(ValueError, match=r"weights\.phase_bias: expected images .* at least 32, got .* data\.patch"):
        content(weights={"phase_bias": 1.0})(batch, sample)


def saved(path: Path, scale: int = 4) -> str:
    """A small super-resolver with random weights, which no symmetry leaves as it is, in a file."""
    config = ResidualSRConfig(channels=4, groups=1, scale=scale)  # pyright: ignore[reportArgumentType]
    network = config.build()
    torch.nn.init.normal_(next(network.parameters()))
    save_model(network, config, path, {})
    return str(path)


def test_distillation_is_the_distance_to_a_teacher_seen_from_one_of_eight_sides(tmp_path: Path) -> None:
    names = [saved(tmp_path / "one.safetensors"), saved(tmp_path / "other.safetensors")]
    batch, sample = pair()
    low = batch.condition
    assert low is not None
    seen = [image.rot90(turn, (2, 3)) for image in (low, low.flip(3)) for turn in range(4)]
    expected: set[float] = set()
    for name in names:
        answers = [load_model(name).network(side).rot90(-(number % 4), (2, 3)) for number, side in enumerate(seen)]
        answers = answers[:4] + [answer.flip(3) for answer in answers[4:]]
        expected |= {round(float((sample.paired - answer).square().mean()), 6) for answer in answers}
    assert len(expected) == 16
    term = content(weights={"distillation": 1.0}, distillation={"teachers": names, "distance": "l2"})
    assert {round(float(term(batch, sample)["distillation"]), 6) for _ in range(200)} == expected


def test_distillation_teaches_the_student_alone(tmp_path: Path) -> None:
    batch, _ = pair()
    fake = torch.rand(2, 3, 32, 32, requires_grad=True)
    made = content(weights={"distillation": 1.0}, distillation={"teachers": [saved(tmp_path / "one.safetensors")]})
    made(batch, Sample(fake))["distillation"].backward()
    assert fake.grad is not None
    torch.testing.assert_close(fake.grad.abs(), torch.full_like(fake, 1 / fake.numel()))
    assert not any(weight.requires_grad for weight in made.parameters())


@pytest.mark.parametrize("supported", [True, False])
def test_a_teacher_that_fails_in_half_precision_works_in_fp32(
    supported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = dataclasses.replace(load_model(saved(tmp_path / "one.safetensors")), supports_bf16=supported)
    monkeypatch.setattr("srgan_kit.tasks.distillation.load_model", lambda name: teacher)
    batch, sample = pair()
    term = content(weights={"distillation": 1.0}, distillation={"teachers": ["it"]})
    results: list[Tensor] = []
    for mixed in (False, True):
        torch.manual_seed(0)  # the same symmetry
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            results.append(term(batch, sample)["distillation"])
    assert torch.equal(*results) is not supported


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        ([], "needs distillation.teachers"),
        (["nobody"], "distillation.teachers: model 'nobody': neither a file nor a pretrained model"),
        (["x4-fidelity", "x2-fidelity"], "'x2-fidelity': expected scale 4, got 2"),
    ],
)
def test_a_teacher_that_cannot_teach_is_refused(teachers: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        content(weights={"distillation": 1.0}, distillation={"teachers": teachers})


def test_only_a_super_resolver_has_a_teacher() -> None:
    with pytest.raises(UserError, match=r"weights\.distillation depends on an upscaling factor"):
        content(task="unconditional", generator={"name": "dcgan"}, weights={"distillation": 1.0})


def test_the_documentation_has_a_row_for_every_term() -> None:
    (page,) = (Path(__file__).parents[3] / "docs").rglob("training.md")
    table = page.read_text(encoding="utf-8").partition("| term | what it is |")[2].partition("\n\n")[0]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert TERMS.keys() <= named


def test_terms_of_the_table_are_least_at_the_real_image_and_in_its_order(squeezenet_file: Path) -> None:
    batch, _ = pair()
    kinds = ("real image", "scale", "settings", "network", "average")
    names = [name for name, term in TERMS.items() if term.needs in kinds and name != "dists"]
    layers = {"layers": {"fire2": 1.0}}
    weights = dict.fromkeys(reversed(names), 1.0)
    comparator = {"network": "squeezenet", "weights": squeezenet_file, **layers}
    networks = {"lpips": {"weights": squeezenet_file}, "perceptual": comparator, "style": layers, "contextual": layers}
    terms = content(weights=weights, **networks)
    at_real, beside = terms(batch, Sample(batch.image)), terms(batch, Sample(batch.image.flip(3)))
    assert list(at_real) == names
    for name in names:
        assert at_real[name] < beside[name], name


def test_features_that_are_inverted_are_compared_as_they_are(tiny, tmp_path: Path) -> None:
    settings = ["reconstruction.source=features", "generator={name='inversion', channels=4}", "critic.conditional=true"]
    settings += ["latent.noise=0", "reconstruction.scale=0.25"]
    run = tiny.run(tiny.recipe("reconstruction", "deepsim", *settings), tmp_path)
    batch = tiny.batch(run)
    unscaled = features_to_invert(run.recipe.model_copy(update={"reconstruction": ReconstructionConfig()}), CPU)
    torch.testing.assert_close(batch.condition, unscaled(batch.image) / 4)
    sample = run.model(batch, needs_prior_sample=True)
    whole = Content(run.recipe, CPU)(batch, sample)["perceptual"]
    torch.testing.assert_close(run.task.content_terms(batch, sample)["perceptual"], whole)
    assert batch.condition is not None
    batch.condition = batch.condition + 100
    assert run.task.content_terms(batch, sample)["perceptual"] > 5 * whole
