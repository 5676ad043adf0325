"""Black and white images: chances are met, draws depend on seed and number alone, held-out images are drawn once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from srgan_kit.data.binarise import binarised, drawn, random_numbers
from srgan_kit.data.image_dataset import DatasetSettings, DatasetSplits, load_dataset, load_test_images
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import train

HOWS = ("random", "fixed", "threshold")


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """40 training and 12 test images, 6x6, of all grey values."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (52, 6, 6)).astype(np.uint8)
    images[:, 0, 0], images[:, 0, 1] = 0, 255
    np.savez(tmp_path / "grey.npz", x_train=images[:40], x_test=images[40:])
    return tmp_path / "grey.npz"


def load(path: Path, how: str, seed: int = 0) -> DatasetSplits:
    return load_dataset(path, DatasetSettings(size=6, channels=1, seed=seed, holdout=4, binarise=how))  # pyright: ignore


def test_a_value_is_its_chance_of_white() -> None:
    values = torch.arange(256, dtype=torch.uint8).repeat(4000, 1)
    white = drawn(values, 7, range(4000))
    assert set(white.unique().tolist()) == {0, 255}
    chance = torch.arange(256) / 255
    score = (white.float().div(255).mean(0) - chance) / (chance * (1 - chance) / 4000).sqrt().clamp(min=1e-9)
    assert not white[:, 0].any()
    assert (white[:, 255] == 255).all()
    assert score.abs().max() < 4.5
    assert score[1:-1].square().mean().item() == pytest.approx(1, abs=0.35)


def test_neither_neighbouring_images_nor_pixels_nor_seeds_are_drawn_alike() -> None:
    half = torch.full((2000, 300), 128, dtype=torch.uint8)
    one, other = (drawn(half, seed, range(2000)).double() / 255 - 128 / 255 for seed in (0, 1))
    pairs = [(one[1:], one[:-1]), (one[:, 1:], one[:, :-1]), (one[:, 4:], one[:, :-4]), (one, other)]
    for first, second in pairs:
        assert abs((first * second).mean().item()) < 4.5 * 0.25 / first.numel() ** 0.5


def test_draws_are_those_of_splitmix64() -> None:
    """By Python's own whole numbers, for a stream that begins as the function says."""
    mask = 2**64 - 1

    def mixed(word: int) -> int:
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & mask
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB & mask
        return word ^ (word >> 31)

    key = int(np.random.SeedSequence(3).generate_state(1, np.uint64)[0])
    start = mixed(mixed(11) ^ key)
    words = [mixed((start + step * 0x9E3779B97F4A7C15) & mask) for step in (1, 2)]
    expected = [word >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    assert random_numbers(3, [5, 11], 7)[1].tolist() == expected[:7]


def test_black_stays_black_and_white_white(grey: Path) -> None:
    for how in HOWS:
        images = load(grey, how)
        for image in (images.train[3][0], images.held_out.images[2]):
            assert set(image.unique().tolist()) <= {0, 255}
            assert image[0, 0, :2].tolist() == [0, 255]


def test_random_is_drawn_anew_in_each_epoch_and_fixed_once(grey: Path) -> None:
    def epochs(how: str) -> list[torch.Tensor]:
        train = load(grey, how).train
        order = [np.argsort(np.random.default_rng((0, epoch)).permutation(40)) for epoch in (0, 1)]
        return [torch.stack([train[40 * epoch + int(order[epoch][n])][0] for n in range(40)]) for epoch in (0, 1)]

    first, second = epochs("random")
    assert 0.1 < (first != second).double().mean() < 0.5  # 1/3 of values that are uniform
    for how in ("fixed", "threshold", "none"):
        assert torch.equal(*epochs(how))


def test_samples_depend_on_seed_and_number_alone_and_not_on_who_asks(grey: Path) -> None:
    train = load(grey, "random").train
    together = train.__getitems__([5, 60, 7])
    for number, (image, label) in zip([5, 60, 7], together, strict=True):
        assert torch.equal(train[number][0], image)
        assert label == train[number][1]
    assert not torch.equal(load(grey, "random", seed=1).train[5][0], train[5][0])


def test_a_fixed_draw_is_the_same_in_every_run_and_on_held_out_images_that_of_random(grey: Path) -> None:
    one, other = load(grey, "fixed"), load(grey, "fixed", seed=9)
    assert one.train.fingerprint() == other.train.fingerprint() != load(grey, "threshold").train.fingerprint()
    assert torch.equal(one.held_out.images, load(grey, "random", seed=4).held_out.images)
    assert torch.equal(load_test_images(grey, 6, 1, "fixed"), one.held_out.images)
    with np.load(grey) as file:
        threshold = torch.from_numpy(file["x_test"] >= 128)[:, None]
    assert torch.equal(load(grey, "threshold").held_out.images == 255, threshold)


def test_held_out_images_are_drawn_apart_from_training_images(tmp_path: Path) -> None:
    same = np.full((9, 6, 6), 128, np.uint8)
    np.savez(tmp_path / "same.npz", x_train=same, x_test=same)
    images = load(tmp_path / "same.npz", "fixed")
    trained_on = torch.stack([images.train.images[number] for number in range(9)])
    assert 0.35 < (trained_on != images.held_out.images).double().mean() < 0.65


def test_values_in_parts_are_those_of_a_whole() -> None:
    values = torch.randint(0, 256, (2**20 + 9,), dtype=torch.uint8)
    whole = binarised(values, "fixed", 3)
    assert torch.equal(binarised(values[:1000], "fixed", 3), whole[:1000])
    assert not torch.equal(whole[: 2**10], whole[2**20 : 2**20 + 2**10])


def test_a_run_on_random_images_in_slices_equals_one_in_a_piece(grey: Path, tmp_path: Path) -> None:
    small = ["data.size=6", "data.batch=7", "generator.hidden=4", "encoder.hidden=4", "latent.noise=2", "device=cpu"]
    recipe = load_recipe("vae", [*small, "steps=9"], grey)
    train(recipe, tmp_path / "whole")
    while not train(recipe, tmp_path / "slices", resume=(tmp_path / "slices").exists(), minutes=0).finished:
        pass
    whole, slices = (load_file(tmp_path / run / "model.safetensors") for run in ("whole", "slices"))
    assert all(torch.equal(whole[name], slices[name]) for name in whole)


def test_mistakes_are_named(grey: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.binarise: for unconditional and reconstruction, not for super-res"):
        load_recipe("smoke", ["data.binarise=random"], grey)
    with pytest.raises(UserError, match=r"data\.binarise"):
        load_recipe("vae", ["data.binarise=half"], grey)
    np.savez(tmp_path / "train.npz", x_train=np.zeros((3, 6, 6), np.uint8))
    with pytest.raises(UserError, match="expected a test set, the array 'x_test', but there is none"):
        load_test_images(tmp_path / "train.npz", 6, 1, "none")
