"""The dials of detail and denoising: which models, what is mixed, and what the ends are."""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.rows import PassingRows, Rows
from srgan_kit.models.interpolation import SAME_ORIGIN, cosine, interpolated
from srgan_kit.models.super_resolution import UpscalingModel, load_model
from srgan_kit.upscaling.auto import choose, clean_choice
from srgan_kit.upscaling.choice import Choice, Dials, Share
from srgan_kit.upscaling.composite import Chain, Mixed, first_reduced, part_of, runs
from srgan_kit.upscaling.evidence import Evidence
from srgan_kit.upscaling.image_runner import Image, Progress, Tally, Upscaled
from srgan_kit.upscaling.resampling import resample
from srgan_kit.upscaling.torch_engine import torch_upscaler
from srgan_kit.upscaling.upscaler import Upscaler


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    from skimage import data

    return data.astronaut()[100:124, 180:212]


def by(model: str, pixels: np.ndarray, scale: float | None = None) -> np.ndarray:
    return Upscaler(model, "cpu", "fp32", scale=scale).upscale(pixels)


def dialled(pixels: np.ndarray, dials: Dials, scale: float | None = None) -> np.ndarray:
    return Upscaler(device="cpu", precision="fp32", dials=dials, scale=scale).upscale(pixels)


# --- which models ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dials", "factor", "expected"),
    [
        (Dials(detail=0), 4, Choice("x4-fidelity", "detail 0")),
        (Dials(detail=1), 4, Choice("x4-perceptual", "detail 1")),
        (Dials(detail=0.25), 3, Choice("x4-fidelity", "detail 0.25", perceptual=Share("x4-perceptual", 0.25))),
        (Dials(denoise=0), 2, Choice("x2-fidelity", "denoise 0")),
        (Dials(denoise=1), 1.5, Choice("x2-photo", "denoise 1")),
        (Dials(denoise=0.5), 2.5, Choice("x4-fidelity", "denoise 0.5", photo=Share("x4-photo", 0.5))),
        (
            Dials(detail=1, denoise=1),
            4,
            Choice("x4-photo", "detail 1, denoise 1", None, Share("x4-perceptual", 1), "base"),
        ),
        (Dials(detail=0, denoise=0.5), 4, Choice("x4-fidelity", "detail 0, denoise 0.5", Share("x4-photo", 0.5))),
    ],
)
def test_the_dials_choose_a_pair(dials: Dials, factor: float, expected: Choice) -> None:
    assert dials.choose(factor) == expected


def test_all_models_are_named() -> None:
    assert Dials(0.5, 0.5).choose(4).name == "x4-fidelity+x4-photo+x4-perceptual"
    assert Choice("x4-photo", further=("x2-fidelity",)).name == "x4-photo then x2-fidelity"


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_dial_is_from_0_to_1(value: float) -> None:
    for dial in ("detail", "denoise"):
        with pytest.raises(UserError, match=f"{dial}: expected a number from 0 to 1"):
            Dials(**{dial: value})


def test_dials_choose_the_models_themselves() -> None:
    chosen = r": the dials \(detail 0\) choose their own models"
    with pytest.raises(UserError, match=f"model x4-photo{chosen}"):
        Upscaler("x4-photo", dials=Dials(detail=0))
    with pytest.raises(UserError, match=f"fast{chosen}"):
        Upscaler(fast=True, dials=Dials(detail=0))


@pytest.mark.parametrize(
    ("factor", "further"), [(4, ()), (5.9, ()), (6, ("x2-fidelity",)), (8, ("x2-fidelity",)), (12, ("x3-fidelity",))]
)
def test_far_beyond_4_times_another_model_follows(factor: float, further: tuple[str, ...]) -> None:
    choice = clean_choice(factor)
    assert (choice.model, choice.further) == ("x4-fidelity", further)
    assert clean_choice(factor, fast=True) == Choice("x4-fidelity-fast", choice.reason)
    assert Dials(detail=0.5, denoise=1).choose(factor).further == further
    assert Dials(detail=1).choose(factor).further == further
    noisy = Evidence(None, None, 0, None, 20.0, 0, 0, 0, 20.0)
    assert choose(noisy, factor) == Choice("x4-photo", "noise of about 20 levels", further=further)
    assert choose(noisy, factor, fast=True).further == ()
    assert clean_choice(60).further == ("x4-fidelity",)
    assert clean_choice(None).further == ()


# --- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dials", "model", "scale"),
    [
        (Dials(detail=0), "x4-fidelity", None),
        (Dials(detail=1), "x4-perceptual", None),
        (Dials(denoise=0), "x4-fidelity", 3),
        (Dials(denoise=1), "x4-photo", None),
        (Dials(denoise=0), "x2-fidelity", 2),
        (Dials(denoise=1), "x2-photo", 2),
        (Dials(detail=0, denoise=1), "x4-photo", None),
    ],
)
def test_at_the_ends_it_is_the_plain_model(
    photograph: np.ndarray, dials: Dials, model: str, scale: float | None
) -> None:
    assert np.array_equal(dialled(photograph, dials, scale), by(model, photograph, scale))


def test_detail_mixes_two_results(photograph: np.ndarray) -> None:
    fidelity, perceptual = (by(f"x4-{kind}", photograph).astype(float) for kind in ("fidelity", "perceptual"))
    expected = np.rint(0.75 * fidelity + 0.25 * perceptual)
    assert np.abs(dialled(photograph, Dials(detail=0.25)) - expected).max() <= 1  # where a half is rounded


def test_denoising_interpolates_weights_by_the_root_of_the_dial(photograph: np.ndarray) -> None:
    fidelity, photo = load_model("x4-fidelity"), load_model("x4-photo")
    network = ResidualSRConfig.model_validate_json(fidelity.metadata["generator"]).build().eval()
    weights = photo.network.state_dict()
    network.load_state_dict({n: 0.7 * w + 0.3 * weights[n] for n, w in fidelity.network.state_dict().items()})
    between = UpscalingModel("between", network, 4, 3, "residual", "none", border=fidelity.border)
    expected = Upscaler(between, "cpu", "fp32").upscale(photograph).astype(int)
    assert np.abs(dialled(photograph, Dials(denoise=0.09)) - expected).max() <= 1


def test_detail_is_drawn_on_what_was_denoised(photograph: np.ndarray) -> None:
    photo = by("x4-photo", photograph)
    cleaned = resample(photo, (photograph.shape[1], photograph.shape[0]))
    assert np.array_equal(dialled(photograph, Dials(detail=1, denoise=1)), by("x4-perceptual", cleaned))
    half = (photo.astype(float) + by("x4-perceptual", cleaned)) / 2
    assert np.abs(dialled(photograph, Dials(detail=0.5, denoise=1)) - half).max() <= 0.5


def test_8_times_is_4_times_twice_over(photograph: np.ndarray) -> None:
    upscaler = Upscaler(device="cpu", precision="fp32", scale=8)
    assert upscaler.model_for(photograph).name == "x4-fidelity then x2-fidelity"
    twice = by("x2-fidelity", by("x4-fidelity", photograph[:8, :8]))
    assert np.array_equal(upscaler.upscale(photograph[:8, :8]), twice)
    assert Upscaler(device="cpu", scale=7).upscale(photograph[:9, :9]).shape == (63, 63, 3)


def test_16_bits_grey_and_opacity_are_mixed_too(photograph: np.ndarray) -> None:
    deep = photograph[:, :, :1].astype(np.uint16) * 257
    result = dialled(deep, Dials(detail=0.5))
    assert (result.shape, result.dtype) == ((96, 128, 1), np.uint16)
    assert np.abs(result / 257 - dialled(photograph[:, :, :1], Dials(detail=0.5))).max() <= 1.01
    alpha = np.full((24, 32, 1), 128, np.uint8)
    upscaler = Upscaler(device="cpu", precision="fp32", dials=Dials(detail=0.5))
    made = upscaler.upscale(LoadedImage(photograph, alpha))
    assert made.alpha is not None
    assert (made.alpha == 128).all()


# --- interpolated weights -------------------------------------------------------------------------------------------


def tiny(seed: int, channels: int = 4, border: int = 0) -> UpscalingModel:
    torch.manual_seed(seed)
    config = ResidualSRConfig(channels=channels, groups=1)
    about = {"generator": config.model_dump_json()}
    return UpscalingModel(f"tiny{seed}", config.build().eval(), 4, 3, "residual", "none", about, border=border)


def test_weights_of_one_origin_are_told_from_others() -> None:
    fidelity = {scale: load_model(f"x{scale}-fidelity") for scale in (2, 4)}
    assert all(cosine(fidelity[scale], load_model(f"x{scale}-photo")) > SAME_ORIGIN for scale in (2, 4))
    assert cosine(fidelity[4], load_model("x4-perceptual")) > 0.9
    assert abs(cosine(tiny(1, 32), tiny(2, 32))) < 0.2


def test_only_models_of_one_kind_and_origin_are_interpolated() -> None:
    first = tiny(1, 32)
    assert interpolated(first, tiny(2, 32), 0.5) is None
    assert interpolated(load_model("x4-fidelity"), load_model("x4-fidelity-fast"), 0.5) is None
    near = tiny(1, 32)
    with torch.no_grad():
        for weight in near.network.parameters():
            weight.mul_(3)
    between = interpolated(first, near, 0.25)
    assert between is not None
    for own, made in zip(first.network.parameters(), between.network.parameters(), strict=True):
        assert torch.allclose(made, 1.5 * own)
    assert interpolated(first, tiny(1, 32, border=4), 0.5) is None
    other_order = json.dumps(dict(reversed(json.loads(near.metadata["generator"]).items())))
    assert other_order != near.metadata["generator"]
    assert interpolated(first, replace(near, metadata={"generator": other_order}), 0.5) is not None


# --- models together ------------------------------------------------------------------------------------------------


class Fake:
    """Enlarges each pixel to a square of brighter ones, in so many tiles."""

    def __init__(self, scale: int, add: int, note: str, tiles: int = 1) -> None:
        self.scale, self.add, self.note, self.tiles = scale, add, note, tiles

    def run(self, image: Image, progress: Progress | None = None) -> Upscaled:
        for done in range(self.tiles):
            if progress is not None:
                progress(done + 1, self.tiles)
        large = image.repeat(self.scale, axis=0).repeat(self.scale, axis=1) + np.uint8(self.add)
        return Upscaled(large, (self.note,), redone_tiles=1)

    def bands(self, image: Rows, tally: Tally, progress: Progress | None = None) -> Iterator[Image]:
        """Of as many input rows as it enlarges by, so that several do not keep step."""
        tally.notes.append(self.note)
        for start in range(0, len(image), self.scale):
            yield self.run(image[start : start + self.scale]).pixels


def test_results_are_mixed_and_all_is_told() -> None:
    image, seen = np.full((2, 3, 3), 10, np.uint8), list[tuple[int, int]]()
    mixed = Mixed(Fake(2, 0, "same", 2), Fake(2, 100, "same"), 0.3)
    result = mixed.run(image, lambda done, total: seen.append((done, total)))
    assert (result.pixels == 40).all()
    assert result.pixels.shape == (4, 6, 3)
    assert (result.notes, result.redone_tiles, mixed.scale) == (("same",), 2, 2)
    assert seen == [(500, 2000), (1000, 2000), (2000, 2000)]


@pytest.mark.parametrize(
    "several",
    [Mixed(Fake(3, 0, "a"), Fake(3, 99, "b"), 0.3), Chain(Fake(2, 1, "a"), Fake(3, 2, "b"))],
    ids=["mixed", "chained"],
)
def test_parts_are_those_of_the_whole(several: Mixed | Chain) -> None:
    image = np.random.default_rng(0).integers(0, 100, (7, 5, 3), dtype=np.uint8)
    forward, tally = PassingRows(image.shape, image.dtype, lambda: iter(np.array_split(image, 3))), Tally()
    parts = list(several.bands(forward, tally))
    assert len(parts) > 1
    assert np.array_equal(np.concatenate(parts), several.run(image).pixels)
    assert sorted(tally.notes) == ["a", "b"]


def test_what_needs_the_whole_first_result_is_refused_in_parts() -> None:
    several = Mixed(Fake(2, 0, "a"), Fake(2, 9, "b"), 0.5, first_reduced)
    with pytest.raises(UserError, match="detail on what was denoised is not computed in parts"):
        list(several.bands(np.zeros((4, 4, 3), np.uint8), Tally()))


def test_the_second_may_see_what_the_first_made() -> None:
    image = np.full((2, 3, 3), 10, np.uint8)
    assert (Mixed(Fake(2, 5, ""), Fake(2, 100, ""), 1.0, first_reduced).run(image).pixels == 115).all()


def test_a_chain_multiplies_scales_and_weighs_progress_by_pixels() -> None:
    chain, seen = Chain(Fake(2, 1, "a"), Fake(3, 2, "b")), list[tuple[int, int]]()
    result = chain.run(np.zeros((2, 3, 1), np.uint8), lambda done, total: seen.append((done, total)))
    assert (result.pixels == 3).all()
    assert (result.pixels.shape, chain.scale) == ((12, 18, 1), 6)
    assert (result.notes, result.redone_tiles) == (("a", "b"), 2)
    assert seen == [(1000, 5000), (5000, 5000)]
    assert part_of(None, 0, 1, 2) is None


def test_every_run_is_counted_with_what_it_sees() -> None:
    first, second, third = (torch_upscaler(load_model(f"x{scale}-fidelity"), "cpu") for scale in (2, 2, 3))
    found = [*runs(Chain(Mixed(first, second, 0.5), third), (10, 20))]
    assert found == [(first, (10, 20)), (second, (10, 20)), (third, (20, 40))]
