"""Degradations: each operation against an independent computation, and the whole as a function of (seed, number)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.data import degradation
from srgan_kit.data.blur_kernels import gaussian_kernel, plateau_kernel
from srgan_kit.data.degradation import (
    blur,
    degradation_random,
    degrade,
    draw_kernel,
    gaussian_noise,
    jpeg,
    poisson_noise,
    resize_by,
)
from srgan_kit.data.degradation_settings import (
    LIGHT,
    SECOND,
    BlurConfig,
    LightConfig,
    RoundsConfig,
    SecondOrderConfig,
)
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe

PRESETS: dict[str, RoundsConfig] = {
    "light": LightConfig(name="light"),
    "second-order": SecondOrderConfig(name="second-order"),
}
NEVER = {"probability": 0.0}
QUIET = {"blur": NEVER, "noise": NEVER, "jpeg": NEVER, "resize": {"enlarge": 0.0, "reduce": 0.0}}
"""A round that changes nothing."""


def light(**first: object) -> LightConfig:
    """One round that does what is given and nothing else."""
    return LightConfig.model_validate({"name": "light", "first": QUIET | first, "final_sinc": NEVER})


def sample_image(height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth colours with some texture: (3, height, width) uint8."""
    rough = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(rough, (height, width), mode="bicubic").clamp(0, 1).mul(255).round().to(torch.uint8)[0]


def random(index: int = 0) -> np.random.Generator:
    return degradation_random(7, index)


# --- operations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 7), (33, 20), (64, 64)])
@pytest.mark.parametrize("size", [1, 3, 9, 21])
def test_blur_is_a_convolution_with_the_edge_repeated(shape: tuple[int, int], size: int) -> None:
    image, kernel = torch.rand(3, *shape), torch.rand(size, size).double()
    kernel /= kernel.sum()
    expected = ndimage.convolve(image.double().numpy(), kernel[None].numpy(), mode="nearest")
    torch.testing.assert_close(blur(image, kernel), torch.from_numpy(expected).float(), atol=2e-6, rtol=0)


@pytest.mark.parametrize("mode", degradation.MODES)
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("width", [20, 31])
def test_resizing_leaves_things_where_they_are(mode: degradation.Mode, antialias: bool, width: int) -> None:
    ramp = ((torch.arange(40) + 0.5) / 40).expand(3, 8, 40)
    expected = ((torch.arange(width) + 0.5) / width).expand(3, 4, width)
    made = resize_by(ramp, (4, width), mode, antialias)
    tolerance = 1e-5 if width == 20 else 1 / 40  # at other ratios area and bicubic are no straight line exactly
    torch.testing.assert_close(made[..., 3:-3], expected[..., 3:-3], atol=tolerance, rtol=0)


def test_antialiasing_takes_away_what_a_smaller_image_cannot_hold() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(32).expand(3, 64, 64)
    for mode in ("bilinear", "bicubic"):
        spread = [resize_by(stripes, (21, 21), mode, antialias).std().item() for antialias in (False, True)]
        assert spread[1] < 0.3 * spread[0]


def test_gaussian_noise_has_the_standard_deviation_asked_for() -> None:
    image = torch.full((3, 200, 200), 0.5)
    coloured = gaussian_noise(image, 0.05, random()) - image
    assert coloured.std().item() == pytest.approx(0.05, rel=0.02)
    assert coloured.mean().item() == pytest.approx(0, abs=1e-3)
    assert np.corrcoef(coloured.flatten(1).numpy())[0, 1] == pytest.approx(0, abs=0.02)
    grey = gaussian_noise(image, 0.05, random(), grey=True) - image
    assert grey.std().item() == pytest.approx(0.05, rel=0.02)
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])


@pytest.mark.parametrize("light_level", [0.1, 0.4, 0.7])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_poisson_noise_grows_with_the_light(light_level: float, strength: float) -> None:
    image = torch.full((3, 200, 200), light_level)
    noise = poisson_noise(image, strength, random()) - image
    assert noise.var().item() == pytest.approx(strength**2 * light_level / 255, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=1e-3)
    assert not torch.equal(noise[0], noise[1])


def test_poisson_noise_of_strength_one_counts_photons() -> None:
    levels = 255 * poisson_noise(torch.rand(3, 50, 50) * 0.7, 1.0, random())
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    grey = poisson_noise(torch.full((3, 50, 50), 0.5), 1.0, random(), grey=True)
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])


@pytest.mark.parametrize("quality", [10, 60, 95])
def test_jpeg_is_pillows_at_that_quality(quality: int, tmp_path: Path) -> None:
    image = sample_image(37, 50)
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "a.jpg", quality=quality, subsampling=2)
    with Image.open(tmp_path / "a.jpg") as opened:
        expected = np.asarray(opened)
    made = jpeg(image.float() / 255, quality) * 255
    assert np.array_equal(made.permute(1, 2, 0).round().numpy(), expected)
    assert not np.array_equal(image.permute(1, 2, 0).numpy(), expected)


def test_jpegs_grid_begins_before_the_image() -> None:
    larger = sample_image(64, 64)
    larger[:, :5], larger[:, :, :11] = larger[:, 5:6], larger[:, :, 11:12]  # what is repeated beyond the image's edge
    expected = jpeg(larger.float() / 255, 30)[:, 5:, 11:]
    assert torch.equal(jpeg(larger[:, 5:, 11:].float() / 255, 30, (5, 11)), expected)
    assert not torch.equal(jpeg(larger[:, 5:, 11:].float() / 255, 30), expected)


# --- what is drawn --------------------------------------------------------------------------------------------------


def test_kernels_are_drawn_from_the_settings() -> None:
    plain = {"sinc": 0.0, "generalised": 0.0, "plateau": 0.0, "anisotropic": 0.0, "sigma": (1.5, 1.5)}
    kernels = [draw_kernel(BlurConfig(**plain), random(number)) for number in range(60)]
    assert {len(kernel) for kernel in kernels} == {7, 9, 11, 13, 15, 17, 19, 21}
    for kernel in kernels:
        torch.testing.assert_close(kernel, gaussian_kernel(len(kernel), (1.5, 1.5)))
    flat = BlurConfig(**plain | {"plateau": 1.0, "plateau_shape": (1.2, 1.2), "size": (9, 9)})
    torch.testing.assert_close(draw_kernel(flat, random()), plateau_kernel(9, (1.5, 1.5), shape=1.2))
    sinc = draw_kernel(BlurConfig(sinc=1.0, size=(21, 21)), random())
    assert sinc.min() < -1e-4  # no other kernel is negative anywhere
    turned = draw_kernel(BlurConfig(**plain | {"anisotropic": 1.0, "sigma": (0.5, 3.0)}), random())
    assert not turned.allclose(turned.T)


def calls_of(name: str, times: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple]]:
    """What the operations were given, besides the image, while 32x32 pixels were degraded so often."""
    done: dict[str, list[tuple]] = {"jpeg": [], "gaussian_noise": [], "poisson_noise": [], "resize_by": []}

    def noted(operation: str):
        real = getattr(degradation, operation)

        def call(*arguments, **named):
            done[operation].append(arguments[1:])
            return real(*arguments, **named)

        return call

    for operation in done:
        monkeypatch.setattr(degradation, operation, noted(operation))
    for number in range(times):
        degrade(sample_image(32, 32), 4, PRESETS[name], random(number))
    return done


@pytest.mark.parametrize("name", PRESETS)
def test_all_that_can_happen_happens_as_often_as_it_should(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times, rounds = 150, PRESETS[name].rounds
    done = calls_of(name, times, monkeypatch)
    assert len(done["jpeg"]) == pytest.approx(times * sum(each.jpeg.probability for each in rounds), rel=0.15)
    noises = times * sum(each.noise.probability for each in rounds)
    assert len(done["gaussian_noise"]) == pytest.approx(noises / 2, rel=0.3)
    assert len(done["poisson_noise"]) == pytest.approx(noises / 2, rel=0.3)
    assert {offset[0] for _, offset in done["jpeg"]} == set(range(16))
    assert {mode for _, mode in done["resize_by"]} == set(degradation.MODES)


@pytest.mark.parametrize(
    ("name", "quality", "sigma", "side"),
    [("light", (35, 95), (1, 10), (4, 12)), ("second-order", (30, 95), (1, 30), (2, 48))],
)
def test_what_is_drawn_fills_its_range(
    name: str,
    quality: tuple[int, int],
    sigma: tuple[float, float],
    side: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sides: .5 ... 1.5 of 8 low-resolution pixels, or from .3 of 8 up to 1.5 of the image's 32."""
    done = calls_of(name, 150, monkeypatch)
    for drawn, (low, high) in (
        ([quality for quality, _ in done["jpeg"]], quality),
        ([255 * sigma for sigma, *_ in done["gaussian_noise"]], sigma),
        ([size[0] for size, _ in done["resize_by"]], side),
    ):
        assert low <= min(drawn) < low + 0.1 * (high - low)
        assert high >= max(drawn) > high - 0.15 * (high - low)


def test_nothing_but_a_reduction_where_nothing_happens() -> None:
    image = sample_image(48, 32)
    candidates = [
        F.interpolate(image[None].float() / 255, (12, 8), mode=mode)[0].clamp(0, 1).mul(255).round()
        for mode in ("area", "bilinear", "bicubic")
    ]
    seen: set[int] = set()
    for number in range(20):
        low = degrade(image, 4, light(resize=QUIET["resize"] | {"antialias": 0.0}), random(number)).float()
        seen |= {place for place, each in enumerate(candidates) if (each - low).abs().max() <= 1}
    assert seen == {0, 1, 2}


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"jpeg": {"quality": (90, 90)}}, {"jpeg": {"quality": (5, 5)}}),
        ({"blur": {"sigma": (0.2, 0.2), "sinc": 0.0}}, {"blur": {"sigma": (3.0, 3.0), "sinc": 0.0}}),
        ({"noise": {"sigma": (1.0, 1.0), "poisson": 0.0}}, {"noise": {"sigma": (25.0, 25.0), "poisson": 0.0}}),
        ({"noise": {"strength": (0.05, 0.05), "poisson": 1.0}}, {"noise": {"strength": (2.0, 2.0), "poisson": 1.0}}),
    ],
    ids=["jpeg", "blur", "gaussian noise", "poisson noise"],
)
def test_each_setting_does_more_where_it_asks_for_more(mild: dict, harsh: dict) -> None:
    image = torch.from_numpy(np.random.default_rng(0).integers(60, 190, (3, 64, 64), dtype=np.uint8))
    image = (image.float() + 3 * sample_image(64, 64).float()).div(4).to(torch.uint8)
    still = degrade(image, 2, light(), random()).float()

    def change(settings: dict) -> float:
        ((name, values),) = settings.items()
        return (
            (degrade(image, 2, light(**{name: {"probability": 1.0} | values}), random()).float() - still).std().item()
        )

    assert change(harsh) > 2 * change(mild)


# --- the whole ------------------------------------------------------------------------------------------------------


@hypothesis_settings(max_examples=40)
@given(st.sampled_from([2, 3, 4]), st.integers(1, 24), st.integers(1, 24), st.sampled_from([*PRESETS]), st.integers(0))
def test_the_size_is_exact_and_the_result_a_function_of_seed_and_number(
    scale: int, rows: int, columns: int, name: str, number: int
) -> None:
    image = sample_image(rows * scale, columns * scale)
    first, again = (degrade(image, scale, PRESETS[name], degradation_random(3, number)) for _ in range(2))
    assert first.shape == (3, rows, columns)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)


@pytest.mark.parametrize("name", PRESETS)
def test_other_numbers_and_other_seeds_give_other_images(name: str) -> None:
    image = sample_image(64, 64)
    made = [degrade(image, 4, PRESETS[name], degradation_random(*key)) for key in [(0, 0), (0, 1), (1, 0), (1, 1)]]
    assert all(not torch.equal(a, b) for number, a in enumerate(made) for b in made[:number])


@pytest.mark.parametrize("name", PRESETS)
def test_the_number_of_threads_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def noting(*arguments) -> Tensor:
        seen.append(torch.get_num_threads())
        return jpeg(*arguments)

    monkeypatch.setattr(degradation, "jpeg", noting)
    image = sample_image(160, 176)
    before = torch.get_num_threads()
    made: list[Tensor] = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            made.append(torch.stack([degrade(image, 4, PRESETS[name], random(number)) for number in range(10)]))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*made)
    assert set(seen) == {1}  # the images differ seldom enough to be equal by luck


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 8, 8).double(),
        torch.zeros(2, 8, 8).byte(),
        torch.zeros(3, 10, 8).byte(),
        torch.zeros(8, 8).byte(),
    ],
)
def test_images_that_cannot_be_degraded_are_named(image: Tensor) -> None:
    with pytest.raises(
        ValueError, match=r"degrade: expected \(1 or 3, H, W\) uint8 or float with sides that 4 divides, got"
    ):
        degrade(image, 4, PRESETS["light"], random())


# --- settings -------------------------------------------------------------------------------------------------------


def photo(*settings: str, name: str = "photo-x4") -> Recipe:
    return load_recipe(name, [*settings])


def test_a_table_given_in_part_keeps_the_rest_of_its_preset() -> None:
    given = photo("data.degradation.first.jpeg.quality=[50, 60]").data.degradation
    assert isinstance(given, LightConfig)
    assert given.first.jpeg.quality == (50, 60)
    assert given.first.jpeg.probability == LIGHT.jpeg.probability != 1
    assert given.first.blur == LIGHT.blur
    second = "data.degradation.second.blur.size=[7, 9]"
    harsh = photo(second, "data.degradation.name=second-order", name="photo-gan-x4").data.degradation
    assert isinstance(harsh, SecondOrderConfig)
    assert harsh.second.blur.size == (7, 9)
    assert harsh.second.blur.sigma == SECOND.blur.sigma == (0.2, 1.5)
    assert harsh.second.noise == SECOND.noise
    assert harsh.first.blur.sigma == (0.2, 3.0)


def test_a_recipe_with_a_degradation_survives_being_written_and_read() -> None:
    recipe = photo("data.degradation.final_sinc.probability=0.5", name="photo-gan-x4")
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert load_recipe("smoke", ["data.degradation.name=bicubic"]) == load_recipe("smoke")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "data.degradation.name=heavy",
            r"data\.degradation: expected one of bicubic, light, second-order; got 'heavy'",
        ),
        ("data.degradation.second.blur.size=[7, 9]", r"unknown key 'data\.degradation\.second' of light"),
        (
            "data.degradation.first.blurr.size=[7, 9]",
            r"unknown key .* of light \(did you mean data\.degradation\.first\.blur\?\)",
        ),
        ("data.degradation.first.blur.size=[7, 10]", r"size\.1: expected an odd size, got 10"),
        (
            "data.degradation.first.jpeg.quality=[80, 60]",
            r"expected the smallest, then the largest value, got \[80, 60",
        ),
        ("data.degradation.first.jpeg.quality=[0, 60]", r"quality\.0: .* got 0"),
        ("data.degradation.first.noise.sigma=[-1, 3]", r"sigma\.0: .* got -1"),
        ("data.degradation.first.noise.probability=2", r"probability: .* got 2"),
        ("data.degradation.first.blur.plateau=0.9", "generalised and plateau: expected parts that sum to at most 1"),
        ("data.degradation.first.resize.reduce=0.9", "enlarge and reduce: expected probabilities that sum to at most"),
        ("data.lr_folder=x", r"data\.lr_folder has low-resolution images already"),
        ("data.pipeline=device", r"set data\.pipeline = 'loader'"),
        ("weights.consistency=1", r"weights\.consistency compares with the bicubic"),
    ],
)
def test_a_mistake_is_named(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        photo(setting)


def test_a_weight_of_0_is_no_comparison_with_the_bicubic() -> None:
    recipe = load_recipe("perceptual-x4", ["data.degradation.name=light", "weights.consistency=0"])
    assert recipe.data.random_degradation is not None


def test_other_tasks_have_no_degradation() -> None:
    with pytest.raises(UserError, match=r"'light': for the task super-resolution, not for unconditional"):
        load_recipe("dcgan", ["data.degradation.name=light"])


def test_the_page_has_every_setting_of_the_presets() -> None:
    page = (Path(__file__).parents[3] / "docs" / "guide" / "degradations.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    written = {row[0].strip("`"): [json.loads(cell) for cell in row[2:]] for row in rows if len(row) > 2}
    light, second_order = (preset.model_dump(mode="json") for preset in PRESETS.values())
    expected = {
        f"{step}.{key}": [light["first"][step][key], value, second_order["second"][step][key]]
        for step, settings in second_order["first"].items()
        for key, value in settings.items()
    }
    expected |= {f"final_sinc.{key}": [light["final_sinc"][key], v] for key, v in second_order["final_sinc"].items()}
    assert written == expected
