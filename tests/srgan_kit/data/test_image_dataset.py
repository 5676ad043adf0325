"""Square images: what a sample depends on, both sources, and what is refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import default_collate

from srgan_kit.data.image_dataset import DatasetSettings, DatasetSplits, ImageDataset, load_dataset
from srgan_kit.data.labels import LabelledDraws
from srgan_kit.data.packed_images import PackedImages
from srgan_kit.errors import UserError


def load(
    path: Path,
    size: int,
    channels: Any,
    augment: Any,
    seed: int,
    holdout: int,
    leave_out: Path | None = None,
    **more: Any,
) -> DatasetSplits:
    settings = {"size": size, "channels": channels, "augment": augment, "seed": seed, "holdout": holdout, **more}
    return load_dataset(path, DatasetSettings(**settings), leave_out)


def numbered(count: int, height: int = 4, width: int = 4) -> PackedImages:
    """Images whose pixels say which image and column they are."""
    columns = torch.arange(width, dtype=torch.uint8).expand(1, height, width)
    return PackedImages(columns + 16 * number for number in range(count))


def sample_image(height: int, width: int, level: int | None = None) -> Image.Image:
    noise = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise if level is None else np.full_like(noise, level))


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_packed_images_are_the_images() -> None:
    images = [torch.randint(0, 256, shape, dtype=torch.uint8) for shape in ((3, 4, 9), (3, 6, 4), (1, 4, 4))]
    packed = PackedImages(images)
    assert len(packed) == 3
    assert all(torch.equal(packed[index], image) for index, image in enumerate(images))


@given(index=st.integers(0, 10**9), seed=st.integers(0, 100))
def test_a_sample_is_a_function_of_seed_and_number(index: int, seed: int) -> None:
    images, labels = numbered(7, 4, 9), np.arange(7)
    dataset = ImageDataset(images, labels, "flips", seed)
    other = pickle.loads(pickle.dumps(dataset))
    _ = other[index + 1]
    for first, again in zip(dataset[index], other[index], strict=True):
        assert torch.equal(first, again)
    image, label = dataset[index]
    assert (image.shape, label.dtype) == ((1, 4, 4), torch.int64)
    assert (image // 16 == label).all()
    assert image.is_contiguous()


def test_each_epoch_takes_every_image_once_in_an_order_of_its_own() -> None:
    dataset = ImageDataset(numbered(12), np.arange(12), "none", seed=5)
    epochs = [[int(dataset[epoch * 12 + i][1]) for i in range(12)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    other = ImageDataset(numbered(12), np.arange(12), "none", seed=6)
    assert epochs[0] != [int(other[i][1]) for i in range(12)]


def test_a_share_of_the_samples_is_drawn_from_the_labelled_images_alone() -> None:
    labels = np.array([-1, 0, -1, -1, 1, -1])
    dataset = ImageDataset(numbered(6), labels, "none", seed=5, labelled_draws=LabelledDraws(share=0.25))
    drawn = [int(dataset[index][0][0, 0, 0]) // 16 for index in range(32)]
    assert sorted(drawn[3::4]) == [1] * 4 + [4] * 4
    others = [which for index, which in enumerate(drawn) if index % 4 != 3]
    assert sorted(others) == sorted([*range(6)] * 4)
    assert [int(dataset[index][1]) for index in range(32)] == [labels[which] for which in drawn]
    plain = ImageDataset(numbered(6), np.full(6, -1), "none", seed=5, labelled_draws=LabelledDraws(share=0.25))
    assert sorted(int(plain[index][0][0, 0, 0]) // 16 for index in range(6)) == [*range(6)]


def test_a_labelled_batch_follows_each_batch_of_the_others_which_are_as_without_it() -> None:
    labels = np.array([-1, 0, -1, -1, 1, -1])
    draws = LabelledDraws(others=3, batch=2)
    dataset = ImageDataset(numbered(6), labels, "none", seed=5, labelled_draws=draws)
    drawn = [int(dataset[index][0][0, 0, 0]) // 16 for index in range(30)]
    turns = [drawn[start : start + 5] for start in range(0, 30, 5)]
    assert all(sorted(turn[3:]) == [1, 4] for turn in turns)
    plain = ImageDataset(numbered(6), labels, "none", seed=5)
    assert [which for turn in turns for which in turn[:3]] == [
        int(plain[index][0][0, 0, 0]) // 16 for index in range(18)
    ]


@pytest.mark.parametrize(("shape", "augment"), [((4, 4), "none"), ((4, 4), "flips"), ((4, 6), "none")])
def test_a_batch_is_its_samples_collated(shape: tuple[int, int], augment: Any) -> None:
    draws = LabelledDraws(others=3, batch=2)
    dataset = ImageDataset(numbered(6, *shape), np.array([-1, 0, 1, 2, 3, 4]), augment, 5, labelled_draws=draws)
    images, labels = dataset.batch(range(7, 23))
    expected = default_collate([dataset[index] for index in range(7, 23)])
    assert torch.equal(images, expected[0])
    assert torch.equal(labels, expected[1])


def test_every_crop_and_flip_occurs_and_no_flip_without_augmentation() -> None:
    def seen(augment: Any) -> set[tuple[int, ...]]:
        dataset = ImageDataset(numbered(1, 4, 6), np.array([0]), augment, seed=0)
        return {tuple(dataset[i][0][0, 0].tolist()) for i in range(100)}

    still = {(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)}
    assert seen("none") == still
    assert seen("flips") == still | {each[::-1] for each in still}


def test_the_fingerprint_is_that_of_images_and_labels() -> None:
    dataset = ImageDataset(numbered(3), np.arange(3), "none", 0)
    assert dataset.fingerprint() == ImageDataset(numbered(3), np.arange(3), "flips", 1).fingerprint()
    changed = numbered(3)
    changed.pixels[5] += 1
    turned = PackedImages(numbered(3)[index].reshape(1, 2, 8) for index in range(3))
    others = [(changed, np.arange(3)), (numbered(3), np.array([0, 1, -1])), (turned, np.arange(3))]
    prints = {ImageDataset(images, labels, "none", 0).fingerprint() for images, labels in others}
    assert len(prints | {dataset.fingerprint()}) == 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    for number, name in enumerate(["daisy/a.png", "daisy/b.png", "roses/c.png", "roses/in/d.png", "roses/e.png"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        sample_image(20, 31, level=50 * number).save(root / name)
    (root / "daisy" / "broken.png").write_bytes(b"no image")
    return root


def test_a_folder_gives_square_images_labels_and_what_it_skipped(folder: Path) -> None:
    train, held_out, classes = load(folder, 8, 3, "none", seed=0, holdout=2)
    assert classes == ("daisy", "roses")
    assert [each.path.name for each in train.skipped] == ["broken.png"]
    assert len(train) == 3
    assert (train[0][0].shape, held_out.images.shape) == ((3, 8, 8), (2, 3, 8, 8))
    levels = [(int(image[0, 0, 0]), int(label)) for image, label in [train[i] for i in range(3)]]
    levels += [(int(image[0, 0, 0]), int(label)) for image, label in zip(*held_out, strict=True)]
    assert sorted(levels) == [(0, 0), (50, 0), (100, 1), (150, 1), (200, 1)]


def test_the_seed_chooses_what_is_held_out_and_one_image_is_left(folder: Path) -> None:
    chosen = {tuple(load(folder, 4, 1, "none", seed, 1).held_out.images[:, 0, 0, 0].tolist()) for seed in range(20)}
    assert len(chosen) > 2
    splits = load(folder, 4, 1, "none", 0, 99)
    assert (len(splits.train), len(splits.held_out.images)) == (1, 4)
    assert load(folder, 4, 1, "none", 0, 0).held_out.images.shape == (0, 1, 4, 4)


def test_large_images_are_reduced_without_aliasing_and_small_ones_enlarged(tmp_path: Path) -> None:
    stripes = np.zeros((64, 96), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    sample_image(3, 5, 77).save(tmp_path / "tiny.png")
    images = load(tmp_path, 8, 1, "none", 0, 0).train.images
    assert images.shapes == [(1, 8, 12), (1, 8, 13)]
    assert (images[0].float() - 127.5).abs().max() < 6
    assert images[1].eq(77).all()


def test_images_below_the_run_folder_are_left_out(folder: Path) -> None:
    assert load(folder, 4, 1, "none", 0, 0, leave_out=folder / "roses").classes == ("daisy",)


def test_grey_is_luma_and_grey_becomes_rgb(tmp_path: Path) -> None:
    red = np.zeros((4, 4, 4, 3), dtype=np.uint8)
    red[..., 0] = 200
    grey = load(save(tmp_path / "a.npz", images=red), 4, 1, "none", 0, 0).train
    assert grey[0][0].eq(round(0.299 * 200)).all()
    back = load(save(tmp_path / "b.npz", images=red[..., 0]), 4, 3, "none", 0, 0).train
    assert torch.equal(back[0][0], torch.full((3, 4, 4), 200, dtype=torch.uint8))


@pytest.mark.parametrize(("name", "label_name"), [("images", "labels"), ("x_train", "y_train"), ("images", None)])
@pytest.mark.parametrize("shape", [(6, 5, 5), (6, 5, 5, 1), (6, 5, 5, 3)])
def test_an_npz_of_every_documented_form(
    tmp_path: Path, name: str, label_name: str | None, shape: tuple[int, ...]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    labels = {label_name: np.arange(6, dtype=np.uint8)[:, None] % 3} if label_name else {}
    channels = shape[3] if len(shape) == 4 else 1
    train, _, classes = load(save(tmp_path / "a.npz", **{name: images}, **labels), 5, channels, "none", 0, 0)
    assert torch.equal(torch.stack(list(map(train.images.__getitem__, range(6)))).flatten(1), planes(images))
    assert train.labels.tolist() == ([0, 1, 2, 0, 1, 2] if label_name else [-1] * 6)
    assert classes == (("0", "1", "2") if label_name else ())
    near = (images + np.random.default_rng(1).uniform(-0.4, 0.4, shape)).clip(0, 255) / 255
    floats = save(tmp_path / "b.npz", **{name: near.astype(np.float32)}, **labels)
    assert load(floats, 5, channels, "none", 0, 0).train.fingerprint() == train.fingerprint()


def planes(images: np.ndarray) -> torch.Tensor:
    images = images if images.ndim == 4 else images[..., None]
    return torch.from_numpy(images).permute(0, 3, 1, 2).flatten(1)


def test_another_size_is_resized_and_an_oblong_array_cropped(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", images=np.full((3, 28, 42), 9, dtype=np.uint8), classes=np.array(["only"]))
    splits = load(file, 32, 1, "none", 0, 1)
    assert splits.train.images.shapes == [(1, 32, 48)] * 2
    assert splits.held_out.images.shape == (1, 1, 32, 32)
    assert splits.train[0][0].eq(9).all()


def test_a_test_set_in_the_file_is_what_is_held_out(tmp_path: Path) -> None:
    images = np.arange(10, dtype=np.uint8).repeat(16).reshape(10, 4, 4)
    arrays = {
        "x_train": images[:6],
        "y_train": np.arange(6) % 2,
        "x_test": images[6:],
        "y_test": np.array([2, 0, 1, 2]),
    }
    splits = load(save(tmp_path / "a.npz", **arrays, classes=np.array(list("abc"))), 4, 1, "none", 0, 3)
    assert splits.classes == ("a", "b", "c")
    assert len(splits.train) == 6
    assert splits.held_out.images[:, 0, 0, 0].tolist() == [6, 7, 8, 9]
    assert splits.held_out.labels.tolist() == [2, 0, 1, 2]
    del arrays["y_test"]
    assert load(save(tmp_path / "b.npz", **arrays), 4, 1, "none", 0, 3).held_out.labels.tolist() == [-1] * 4


def test_some_labels_are_kept_of_the_training_images_alone(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", images=np.zeros((100, 4, 4), np.uint8), labels=np.arange(100) % 2)
    splits = load(file, 4, 1, "none", 0, 20, labelled=10)
    assert (splits.train.labels >= 0).sum() == 10
    assert (splits.held_out.labels >= 0).all()
    half = load(file, 4, 1, "none", 0, 0, labelled=0.5).train.labels
    assert [int((half == label).sum()) for label in (0, 1)] == [25, 25]
    with pytest.raises(UserError, match="got 1"):
        load(file, 4, 1, "none", 0, 0, labelled=1)
    bare = save(tmp_path / "b.npz", images=np.zeros((9, 4, 4), np.uint8))
    with pytest.raises(UserError, match="labels: there are none"):
        load(bare, 4, 1, "none", 0, 0, labelled=0.5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((2, 4, 4), np.uint8)}, "expected an array 'images' or 'x_train', but there is neither"),
        ({"labels": np.zeros(2, int)}, "but there is neither"),
        ({"images": np.zeros((2, 4, 4), np.int64)}, r"images: expected uint8, or float in \[0, 1\], got int64"),
        ({"images": np.full((2, 4, 4), 1.5)}, r"images: expected floats in \[0, 1\], got 1.5 ... 1.5"),
        ({"images": np.full((2, 4, 4), np.nan)}, "got nan ... nan"),
        ({"x_train": np.zeros((2, 4), np.uint8)}, r"x_train: expected images .* got \(2, 4\)"),
        ({"images": np.zeros((2, 4, 4, 2), np.uint8)}, r"got \(2, 4, 4, 2\)"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, r"got \(0, 4, 4\)"),
        ({"images": np.array([None, "x"], dtype=object)}, "arrays of Python objects are not loaded"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(3, int)}, r"each of 2 images, got int64 \(3,\)"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(2)}, r"whole number .* got float64 \(2,\)"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.array([0, -2])}, "or -1 for none, got -2"),
        (
            {"images": np.zeros((3, 4, 4), np.uint8), "labels": np.array([0, 1, 2]), "classes": np.array(["a", "b"])},
            r"classes: expected a name for each of 3 labels, got \(2,\)",
        ),
    ],
)
def test_arrays_that_are_not_as_described_are_errors(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(save(tmp_path / "a.npz", **arrays), 4, 1, "none", 0, 0)


def test_files_that_are_no_data_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.npz: expected a folder of images or an \.npz"):
        load(tmp_path / "absent.npz", 4, 1, "none", 0, 0)
    with pytest.raises(UserError, match="no image found"):
        load(tmp_path, 4, 1, "none", 0, 0)
    (tmp_path / "text.npz").write_text("text")
    whole = save(tmp_path / "whole.npz", images=np.random.default_rng(0).random((9, 9, 9)))
    (tmp_path / "cut.npz").write_bytes(whole.read_bytes()[:-100])
    np.save(tmp_path / "single.npy", np.zeros(3))
    for name in ("text.npz", "cut.npz", "single.npy"):
        with pytest.raises(UserError, match=r"not an \.npz file"):
            load(tmp_path / name, 4, 1, "none", 0, 0)
    damaged = bytearray(whole.read_bytes())
    damaged[500] ^= 255
    (tmp_path / "damaged.npz").write_bytes(damaged)
    with pytest.raises(UserError, match=r"damaged\.npz: cannot be read"):
        load(tmp_path / "damaged.npz", 4, 1, "none", 0, 0)
    (tmp_path / "zero.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"no usable image among 1 .*zero\.png"):
        load(tmp_path, 4, 1, "none", 0, 0)


def test_mnist_and_flowers_load(data_folder: Path) -> None:
    mnist = load(data_folder / "gan" / "mnist.npz", 28, 1, "none", 0, 500, labelled=100)
    assert len(mnist.train) == 60000
    assert mnist.held_out.images.shape == (10000, 1, 28, 28)
    assert np.bincount(mnist.train.labels[mnist.train.labels >= 0]).tolist() == [10] * 10
    first = [int(label) for _, label in map(mnist.train.__getitem__, range(1000))]
    assert first.count(-1) > 990, "the few labels are spread over the epoch"
    flowers = load(data_folder / "gan" / "flowers64.npz", 64, 3, "flips", 0, 200)
    assert flowers.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert (len(flowers.train), flowers.held_out.images.shape) == (3470, (200, 3, 64, 64))
    assert flowers.train[5][0].shape == (3, 64, 64)
