"""What a validation measures of a game, with players whose answers are known exactly."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from srgan_kit.contracts import Batch, CodePosterior, Critique, Gaussian
from srgan_kit.metrics.classification import cluster_error, error_rate
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.diagnostics import COUNT, diagnose
from srgan_kit.training.player import Player
from srgan_kit.training.run import Run
from srgan_kit.training.shares import gradient_shares

HEADER = "name='exact'\ntask='{task}'\nsteps=10\nprecision='fp32'\ndevice='cpu'\n"
POINTS = HEADER + "[generator]\nname='mlp'\nhidden=4\noutput='linear'\n[data]\nsize=1\nbatch=64\naugment='none'\n"
CRITIC = ["critic.name=mlp", "critic.hidden=[4]"]


class Known:
    """A task whose images and conditions are given."""

    skipped, classes, labelled = [], ("0", "1", "2"), True

    def __init__(self, train: Tensor, held_out: Batch) -> None:
        self.examples = list(train)
        self.held = held_out
        self.condition = None if held_out.condition is None else (3, held_out.condition.shape[-1])

    def fingerprint(self) -> str:
        return "known"

    def batch(self, items: Tensor) -> Batch:
        return Batch(items)

    def content_terms(self, batch: Batch, sample: object) -> dict[str, Tensor]:
        return {}

    def held_out(self, count: int) -> Batch:
        return self.held


class Exact(nn.Module):
    """A network that is a function, of its first input or of all."""

    provides = frozenset({"codes", "class_logits", "features"})

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> object:
        return self.function(*inputs)


def measured(
    folder: Path,
    settings: list[str],
    held_out: Tensor | Batch,
    generator: Callable[..., object],
    critic: Callable[..., Critique] | None = None,
    encoder: Callable[..., object] | None = None,
    train: Tensor | None = None,
) -> dict[str, float]:
    """What `diagnose` says of players that are functions."""
    (folder / "recipe.toml").write_text(POINTS.format(task="unconditional"))
    batch = held_out if isinstance(held_out, Batch) else Batch(held_out)
    recipe = load_recipe(str(folder / "recipe.toml"), [f"data.channels={batch.image.shape[1]}", *settings])
    task = Known(batch.image.flip(0) if train is None else train, batch)
    run = Run(recipe, folder, Accelerator(cpu=True), task)  # pyright: ignore[reportArgumentType]
    network = run.average.network
    network.decoder, network.squashed = Exact(generator), False  # pyright: ignore
    if encoder is not None:
        network.encoder = Exact(encoder)
    if critic is not None:
        assert run.critic is not None
        run.critic.network = Exact(critic)
    return diagnose(run, network)  # pyright: ignore[reportArgumentType]


def points(*shape: int) -> Tensor:
    return torch.randn(COUNT, *shape, generator=torch.Generator().manual_seed(5))[..., None, None]


def shifted(latent: Tensor) -> Tensor:
    return latent[..., None, None] + 1


def log_ratio(image: Tensor) -> Critique:
    """ln N(x; 0, 1) / N(x; 1, 1) = 1/2 - x."""
    return Critique(score=0.5 - image.flatten(1))


@pytest.mark.parametrize(
    ("variant", "true"),
    [
        ("gan", {"jensen-shannon": 0.11142}),
        ("srgan", {"jensen-shannon": 0.11142}),
        ("{name='f-gan', divergence='kl'}", {"jensen-shannon": 0.11142, "kl": 0.5, "reverse-kl": 0.5}),
        ("{name='f-gan', divergence='squared-hellinger'}", {"squared-hellinger": 0.23501, "kl": 0.5}),
        ("{name='f-gan', divergence='gan'}", {"gan": -1.16345, "jensen-shannon": 0.11142}),
        ("{name='f-gan', divergence='alpha', alpha=0.5}", {"alpha": 2 * 0.23501}),
    ],
)
def test_an_exact_log_ratio_measures_the_closed_form_divergence(variant: str, true: dict[str, float], tmp_path) -> None:
    settings = [f"variant={variant}", "latent.noise=1", *CRITIC]
    values = measured(tmp_path, settings, points(1), shifted, log_ratio)
    for name, value in true.items():
        error = values[f"divergence/{name}_error"]
        assert 0 < error < 0.2
        assert values[f"divergence/{name}"] == pytest.approx(value, abs=3 * error)


@pytest.mark.parametrize(
    "variant",
    [
        "{name='gan', smoothing='one-sided'}",
        "{name='gan', objective='wasserstein'}",
        "{name='srgan', comparison='average'}",
        "{name='f-gan', parametrisation='paper'}",
    ],
)
def test_no_divergence_is_claimed_where_the_score_is_no_log_ratio(variant: str, tmp_path: Path) -> None:
    values = measured(tmp_path, [f"variant={variant}", "latent.noise=1", *CRITIC], points(1), shifted, log_ratio)
    assert "held_out/score_real" in values
    assert [name for name in values if name.startswith("divergence") or "probability" in name] == []


def test_scores_are_those_of_the_images_themselves_in_evaluation(tmp_path: Path) -> None:
    held = points(1)
    settings = ["variant=gan", "latent.noise=1", "techniques.instance_noise=3", *CRITIC]
    values = measured(tmp_path, settings, held, shifted, log_ratio, train=held - 2)
    assert values["held_out/score_real"] == pytest.approx(0.5 - held.mean().item(), abs=1e-6)
    assert values["held_out/score_gap"] == pytest.approx(2, abs=1e-6)
    assert values["held_out/score_fake"] == pytest.approx(-0.5, abs=0.15)
    # P(x < y) for x ~ N(0, 1), y ~ N(1, 1): Phi(1 / sqrt 2); and Phi(2 / sqrt 2) for images moved by 2
    assert values["held_out/separation"] == pytest.approx(0.7602, abs=0.05)
    assert values["held_out/memorised"] == pytest.approx(0.9214, abs=0.03)
    assert values["held_out/probability_real"] == pytest.approx((0.5 - held).sigmoid().mean().item(), abs=1e-6)


def test_energies_count_the_other_way_round(tmp_path: Path) -> None:
    settings = ["variant=ebgan", "latent.noise=1", "critic={name='autoencoder', layout='dense'}"]
    values = measured(
        tmp_path, settings, points(1), shifted, lambda image: Critique(score=(image.flatten(1)[:, 0] - 0.5))
    )
    assert values["held_out/separation"] == pytest.approx(0.7602, abs=0.05)


def show_codes(latent: Tensor) -> Tensor:
    """One categorical code of three classes and a continuous one -> an image of two channels that is them."""
    return torch.stack([latent[:, :3].argmax(dim=1).float(), latent[:, 3]], dim=1)[..., None, None]


def reader(error: float, sure: float) -> Callable[[Tensor], Critique]:
    """A critic that reads the codes back, the continuous one with an error of that size."""

    def read(image: Tensor) -> Critique:
        number, value = image[:, 0, 0, 0].long().clamp(0, 2), image[:, 1, 0, 0]
        sign = torch.ones_like(value)
        sign[::2] = -1
        logits = sure * nn.functional.one_hot(number, 3).float()
        return Critique(score=image.sum((1, 2, 3)), codes=CodePosterior([logits], (value + error * sign)[:, None]))

    return read


CODES = ["variant=infogan", "latent={categorical=[3], continuous=1}", *CRITIC]


def test_a_perfect_reader_knows_all_nats_of_a_code_and_a_blind_one_none(tmp_path: Path) -> None:
    values = measured(tmp_path, CODES, points(2), show_codes, reader(error=0.1, sure=1e4))
    assert values["information/categorical.0"] == pytest.approx(math.log(3))
    assert values["entropy/categorical.0"] == pytest.approx(math.log(3))
    nats = math.log(2) - 0.5 * math.log(2 * math.pi * math.e * 0.1**2)
    assert values["information/continuous.0"] == pytest.approx(nats, abs=1e-4)
    assert values["entropy/continuous.0"] == pytest.approx(math.log(2))
    blind = measured(tmp_path, CODES, points(2), show_codes, reader(error=0.1, sure=0))
    assert blind["information/categorical.0"] == pytest.approx(0, abs=1e-6)


def three_kinds() -> Batch:
    label = torch.arange(COUNT) % 3
    return Batch(torch.stack([label.float(), torch.zeros(COUNT)], dim=1)[..., None, None], label=label)


def sorter(image: Tensor) -> Critique:
    """Sorts perfectly, but calls the classes 0, 1, 2 what the labels call 2, 0, 1."""
    kind = (image[:, 0, 0, 0].round().long() + 1) % 3
    return Critique(score=image.sum((1, 2, 3)), class_logits=50 * nn.functional.one_hot(kind, 3).float())


def test_classes_that_a_critic_found_and_how_images_are_spread_over_them(tmp_path: Path) -> None:
    settings = ["variant=catgan", "latent.noise=2", "critic={name='mlp', hidden=[4], classes=3}"]
    values = measured(tmp_path, settings, three_kinds(), lambda z: 0 * z[..., None, None], sorter)
    assert values["classes/cluster_error.classes"] == 0
    assert "classes/error" not in values
    assert values["classes/entropy_real"] == pytest.approx(math.log(3), abs=1e-3)
    assert values["classes/entropy_fake"] == pytest.approx(0, abs=1e-6)
    assert values["classes/largest_share_fake"] == pytest.approx(1)
    assert values["classes/largest_share_real"] == pytest.approx(1 / 3, abs=0.01)


def test_classes_that_a_critic_was_taught_are_compared_with_the_labels(tmp_path: Path) -> None:
    settings = [
        "variant={name='catgan', labels='used'}",
        "latent.noise=2",
        "critic={name='mlp', hidden=[4], classes=3}",
    ]
    values = measured(tmp_path, settings, three_kinds(), lambda z: 0 * z[..., None, None], sorter)
    assert values["classes/error"] == 1
    assert "classes/cluster_error.classes" not in values


def test_a_code_is_a_classifier_too(tmp_path: Path) -> None:
    values = measured(tmp_path, CODES, three_kinds(), show_codes, reader(error=0.1, sure=1e4))
    assert values["classes/cluster_error.categorical.0"] == 0


def test_error_rates_of_known_answers() -> None:
    chosen, label = torch.tensor([0, 0, 1, 1, 2, 2, 0]), torch.tensor([0, 1, 1, 1, -1, -1, 0])
    logits = nn.functional.one_hot(chosen, 3).float()
    assert error_rate(logits, label) == pytest.approx(1 / 5)
    # of the labelled, the 1st, 3rd, 5th name 0 -> 0 and 1 -> 1; the 2nd says 0 and is 1, the 4th says 1 and is 1
    assert cluster_error(logits, label) == pytest.approx(1 / 2)
    unnamed = nn.functional.one_hot(torch.tensor([0, 2]), 3).float()
    assert cluster_error(unnamed, torch.tensor([0, 0])) == 1  # a class that no image of the first half chose
    with pytest.raises(ValueError, match="at least 2 labelled images, got 1 of 2"):
        cluster_error(unnamed, torch.tensor([0, -1]))
    with pytest.raises(ValueError, match="at least 1 labelled"):
        error_rate(unnamed, torch.tensor([-1, -1]))


def test_a_posterior_tells_its_nats_and_its_active_units(tmp_path: Path) -> None:
    held = points(1)

    def encoder(image: Tensor) -> Gaussian:
        return Gaussian(torch.cat([image.flatten(1), 0 * image.flatten(1)], dim=1), torch.zeros(len(image), 2))

    settings = ["variant=vae", "latent.noise=2", "encoder.layout=dense", "encoder.hidden=4"]
    values = measured(tmp_path, settings, held, lambda z: z[:, :1, None, None], encoder=encoder)
    assert values["posterior/kl"] == pytest.approx(held.square().mean().item() / 2, rel=1e-5)
    assert values["posterior/active_units"] == 1
    assert values["held_out/kl"] == pytest.approx(values["posterior/kl"], rel=1e-5)
    # the reconstruction is off by a draw of N(0, 1), at a standard deviation of 0.1
    nll = 0.5 / 0.1**2 + math.log(0.1) + 0.5 * math.log(2 * math.pi)
    assert values["held_out/nll"] == pytest.approx(nll, rel=0.15)


@pytest.mark.parametrize(("scale", "spread"), [(0.0, 0.0), (1.0, 1.0)])
def test_what_the_latent_vector_changes_is_compared_with_what_is_open(scale: float, spread: float, tmp_path: Path):
    """Real images are their input plus N(0, 1) noise: so are the outputs of the generator that knows this."""
    (tmp_path / "sr.toml").write_text(
        HEADER.format(task="super-resolution") + "latent={noise=1}\n[weights]\npixel=1\n[generator]\nname='residual'"
    )
    recipe = load_recipe(str(tmp_path / "sr.toml"), ["generator.channels=4", "data.patch=4", "data.batch=32"])
    low = torch.rand(64, 3, 4, 4)
    large = nn.functional.interpolate(low, scale_factor=4)
    real = large + torch.randn(64, 1, 1, 1)
    run = Run(recipe, tmp_path, Accelerator(cpu=True), Known(real, Batch(real, low)))  # pyright: ignore
    network = run.average.network
    network.decoder = Exact(lambda low, z: nn.functional.interpolate(low, scale_factor=4) + scale * z[..., None, None])
    assert diagnose(run, network)["latent/spread"] == pytest.approx(spread, abs=0.2)  # pyright: ignore


def test_the_shares_of_two_terms_by_hand(tmp_path: Path) -> None:
    network = nn.ModuleDict({"a": nn.Linear(1, 1, bias=False), "b": nn.Linear(1, 1, bias=False)})
    config = load_recipe("smoke").optimizer
    parts = {name: list(module.parameters()) for name, module in network.items()}
    player = Player("generator", network, parts, config, Accelerator(cpu=True))

    def shares(terms: dict[str, torch.Tensor], weights: dict[str, float], routes: dict[str, str]) -> dict[str, float]:
        return gradient_shares(player.gradient_norms(terms, weights, routes))

    a, b = (parts[name][0].sum() for name in "ab")
    # gradients (3, 4) and 5 * (0, 1): norms 5 and 5; then with weights 1 and .2: 5 and 1
    terms = {"one": 3 * a + 4 * b, "two": 5 * b}
    assert shares(terms, {"one": 1, "two": 1}, {}) == pytest.approx({"one": 0.5, "two": 0.5})
    assert shares(terms, {"one": 1, "two": 0.2}, {}) == pytest.approx({"one": 5 / 6, "two": 1 / 6})
    # routed to b, "two" meets there 4 of "one"; "one" trains both parts and meets 5 of "two"
    routed = shares(terms, {"one": 1, "two": 1}, {"two": "b"})
    assert routed == pytest.approx({"one": 0.5, "two": 5 / 9})
    apart = shares({"one": 1000 * a, "two": b}, {"one": 1, "two": 1}, {"one": "a", "two": "b"})
    assert apart == pytest.approx({"one": 1, "two": 1})  # each has its part for itself
    assert shares({"one": torch.zeros(())}, {"one": 1}, {}) == {"one": 0}


def test_diagnoses_leave_no_trace_in_a_run(tmp_path: Path) -> None:
    """A critic with batch norm, spectral norm and noise, an encoder that draws: all steps stay the same."""
    recipe_file = tmp_path / "r.toml"
    recipe_file.write_text(
        HEADER.format(task="unconditional")
        + "variant='vae-gan'\nlatent={noise=4, categorical=[2]}\ncritic={name='dcgan', channels=4}\n"
        "[generator]\nname='dcgan'\nchannels=4\n[encoder]\nchannels=4\n[data]\nsize=16\nbatch=4\naugment='none'\n"
    )
    more = ["techniques.spectral_norm=true", "techniques.instance_noise=0.2"]
    images = torch.rand(64, 3, 16, 16)
    runs = []
    for diagnosed in (False, True):
        run = Run(
            load_recipe(str(recipe_file), more),
            tmp_path,
            Accelerator(cpu=True),
            Known(images, Batch(images[:8])),  # pyright: ignore[reportArgumentType]
        )
        log = []
        for step in range(3):
            log.append(run.train_step(Batch(images[4 * step : 4 * step + 4].clone()), detailed=True))
            state = torch.get_rng_state()
            if diagnosed:
                once = diagnose(run, run.average.network)  # pyright: ignore[reportArgumentType]
                assert once == diagnose(run, run.average.network)  # pyright: ignore[reportArgumentType]
                assert all(math.isfinite(value) for value in once.values())
                assert torch.equal(torch.get_rng_state(), state)
        assert run.critic is not None
        assert run.critic.network.training
        runs.append((log, {**run.critic.network.state_dict(), **run.generator.network.state_dict()}))
    assert runs[0][0] == runs[1][0]
    for name, value in runs[0][1].items():
        assert torch.equal(value, runs[1][1][name]), name
