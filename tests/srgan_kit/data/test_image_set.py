"""Images by number: looked at once, known by an index afterwards; deep and grey images stay what they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srgan_kit.data.crops import CropSettings, PairedCrops
from srgan_kit.data.device_crops import DeviceCrops
from srgan_kit.data.image_files import FolderFiles, image_names
from srgan_kit.data.image_index import ImageIndex
from srgan_kit.data.image_set import ImageSet, find_partners_of
from srgan_kit.data.mixture import Mixture
from srgan_kit.data.sources import open_files
from srgan_kit.errors import UserError
from srgan_kit.images.pixels import planes
from srgan_kit.images.resize import crop_to_multiple, resize


class Counted(FolderFiles):
    """A folder that remembers which of its images were decoded."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, image_names(folder))
        self.decoded: list[str] = []

    def read(self, number: int) -> np.ndarray:
        self.decoded.append(self.names[number])
        return super().read(number)


def save(path: Path, size: tuple[int, ...] = (8, 9, 3), kind: type = np.uint8) -> np.ndarray:
    pixels = np.random.default_rng(len(str(path))).integers(0, np.iinfo(kind).max + 1, size).astype(kind)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        save(tmp_path / "images" / f"{'a' * (number + 1)}.png", (8, 9 + number, 3))
    (tmp_path / "images" / "broken.png").write_bytes(b"no image")
    return tmp_path / "images"


def opened(folder: Path, index: Path | None, megabytes: int = 0) -> tuple[ImageSet, Sequence[str]]:
    """The set, and the names of what was decoded to make it, in order."""
    files = Counted(folder)
    images = ImageSet([files], megabytes, index_folder=index)
    return images, sorted(files.decoded)


def test_a_folder_beyond_the_memory_is_decoded_once(folder: Path, tmp_path: Path) -> None:
    first, decoded = opened(folder, tmp_path / "index")
    assert decoded == ["a.png", "aa.png", "aaa.png", "aaaa.png", "broken.png"]
    again, decoded = opened(folder, tmp_path / "index")
    assert decoded == ["broken.png"]  # which may be readable by now
    assert (again.sizes.tolist(), list(again.lines()), again.skipped) == (
        first.sizes.tolist(),
        list(first.lines()),
        first.skipped,
    )
    assert first.sizes.tolist() == [[8, 9], [8, 10], [8, 11], [8, 12]]
    assert all(torch.equal(first[number], again[number]) for number in range(4))


def test_what_has_changed_is_decoded_again(folder: Path, tmp_path: Path) -> None:
    opened(folder, tmp_path / "index")
    save(folder / "aa.png", (20, 30, 3))
    save(folder / "new.png", (5, 5, 3))
    (folder / "aaa.png").unlink()
    images, decoded = opened(folder, tmp_path / "index")
    assert decoded == ["aa.png", "broken.png", "new.png"]
    assert images.sizes.tolist() == [[8, 9], [20, 30], [8, 12], [5, 5]]


def test_a_folder_that_fits_into_the_memory_leaves_no_index(folder: Path, tmp_path: Path) -> None:
    images, decoded = opened(folder, tmp_path / "index", megabytes=1)
    assert (len(decoded), images.cached) == (5, 4)
    assert not (tmp_path / "index").exists()


def test_images_of_an_index_come_into_the_memory_when_they_are_asked_for(folder: Path, tmp_path: Path) -> None:
    opened(folder, tmp_path / "index")
    images, _ = opened(folder, tmp_path / "index", megabytes=1)
    assert images.cached == 0
    part = images.only([2, 0])
    assert part.name(0) == "aaa.png"
    _ = part[0], part[0]
    assert (images.cached, part.cached) == (1, 1)
    assert images.sources[0].decoded == ["broken.png", "aaa.png"]  # pyright: ignore[reportAttributeAccessIssue]


def test_an_index_that_cannot_be_kept_or_read_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    images, decoded = opened(folder, tmp_path / "file" / "index")
    assert len(decoded) == 5
    assert len(images.notes) == 1
    assert "cannot be written" in images.notes[0]
    opened(folder, tmp_path / "index")
    ImageIndex(Counted(folder), tmp_path / "index").path.write_bytes(b"no data base" * 99)
    images, decoded = opened(folder, tmp_path / "index")
    assert len(decoded) == 5
    assert "cannot be read" in images.notes[0]


def test_an_image_replaced_while_it_is_trained_on_is_an_error(folder: Path, tmp_path: Path) -> None:
    images, _ = opened(folder, None)
    save(folder / "aa.png", (20, 30, 3))
    with pytest.raises(UserError, match=r"aa\.png: expected 10x8 pixels, as at the start, got 30x20"):
        _ = images[1]


def test_a_source_without_a_usable_image_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"other: no usable image among 1 \(.*x\.png: the file is empty\)"):
        ImageSet([open_files(folder), open_files(tmp_path / "other")], 1)


def test_crops_come_from_sources_as_weighted_and_only_by_their_number(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "other" / "b.png", (16, 16, 3))
    sources = [open_files(folder), open_files(tmp_path / "other")]
    settings = CropSettings(scale=2, patch=4, seed=1, mixture=Mixture.of([1.0, 3.0]))
    crops = PairedCrops(ImageSet(sources, 1), None, settings)
    drawn = [crops.plan(index).image for index in range(400)]
    assert sum(image == 4 for image in drawn) == 300
    assert {*drawn} == {0, 1, 2, 3, 4}
    assert [crops.plan(index).image for index in reversed(range(400))] == drawn[::-1]


def test_partners_are_found_in_each_sources_own_folder(folder: Path, tmp_path: Path) -> None:
    for place, name, size in (
        ("b", "x.png", (8, 8, 3)),
        ("low a", "xx4.png", (2, 2, 3)),
        ("low b", "x.png", (2, 2, 3)),
    ):
        save(tmp_path / place / name, size)
    save(tmp_path / "a" / "x.png", (8, 8, 3))
    high = ImageSet([open_files(tmp_path / name) for name in "ab"], 1)
    low = ImageSet([open_files(tmp_path / f"low {name}") for name in "ab"], 1)
    assert find_partners_of(high, low, 4) == [0, 1]
    (tmp_path / "low b" / "x.png").rename(tmp_path / "low b" / "y.png")
    low = ImageSet([open_files(tmp_path / f"low {name}") for name in "ab"], 1)
    with pytest.raises(
        UserError, match=r"b/x\.png: no partner in .*low b; expected xx4, x_x4, x with an image's suffix"
    ):
        find_partners_of(high, low, 4)


def test_16_bits_reach_the_network_unrounded(tmp_path: Path) -> None:
    deep = save(tmp_path / "images" / "deep.png", (16, 16), np.uint16)
    images = ImageSet([open_files(tmp_path / "images")], 1, channels=1)
    assert images.deep
    assert images[0].dtype == torch.uint16
    high, low, _ = PairedCrops(images, None, CropSettings(scale=4, patch=4, seed=0))[0]
    assert high.dtype == low.dtype == torch.float32
    assert np.array_equal((high[0] * 65535).round().numpy(), deep)
    wanted = resize(torch.from_numpy(deep.astype(np.float64))[None] / 65535, 0.25).clamp(0, 1)
    assert torch.allclose(low.double(), wanted, atol=1e-6)
    assert list(images.lines()) == ["deep.png (16, 16) 16 bits"]
    with pytest.raises(
        UserError, match=r"data\.pipeline = 'device' takes images of 8 bits; some have 16: use 'loader'"
    ):
        DeviceCrops(images, CropSettings(scale=4, patch=4, seed=0), torch.device("cpu"))


def test_beside_a_deep_image_those_of_8_bits_are_the_same_as_floats(tmp_path: Path) -> None:
    flat = save(tmp_path / "images" / "a.png", (16, 16))
    alone = PairedCrops(
        ImageSet([open_files(tmp_path / "images")], 1, channels=1), None, CropSettings(scale=2, patch=8, seed=0)
    )
    save(tmp_path / "images" / "deep.png", (16, 16), np.uint16)
    crops = PairedCrops(
        ImageSet([open_files(tmp_path / "images")], 1, channels=1), None, CropSettings(scale=2, patch=8, seed=0)
    )
    number = next(number for number in range(50) if crops.plan(number).image == 0)
    high, low, _ = crops[number]
    assert np.array_equal((high[0] * 255).round().numpy(), flat)
    assert torch.equal(low * 255, (low * 255).round())  # MATLAB's bicubic of 8 bits, as without the other
    assert torch.equal((low * 255).round().byte(), alone[0][1])


def test_one_channel_is_pillows_luma_and_grey_stays_grey(tmp_path: Path) -> None:
    colour = save(tmp_path / "images" / "a.png", (30, 31, 3))
    grey = save(tmp_path / "images" / "bb.png", (30, 31))
    images = ImageSet([open_files(tmp_path / "images")], 1, channels=1)
    assert np.array_equal(images[0][0].numpy(), np.asarray(Image.fromarray(colour).convert("L")))
    assert np.array_equal(images[1][0].numpy(), grey)
    finer = planes(colour.astype(np.uint16) * 257, 1).int()
    assert (finer - images[0].int() * 257).abs().max() < 130  # half a level of 8 bits
    settings = CropSettings(scale=2, patch=6, seed=0, augment="flips-and-rotations")
    loader, device = PairedCrops(images, None, settings), DeviceCrops(images, settings, torch.device("cpu"))
    for made, wanted in zip(device[7], loader[7], strict=True):
        assert torch.equal(made, wanted)
    assert loader[7][0].shape == (1, 12, 12)


@pytest.mark.parametrize("scale", [1, 8])
def test_the_device_makes_the_loaders_crops_at_other_scales(tmp_path: Path, scale: int) -> None:
    save(tmp_path / "images" / "a.png", (67, 70, 3))
    images = ImageSet([open_files(tmp_path / "images")], 1)
    settings = CropSettings(scale=scale, patch=8, seed=0, augment="flips-and-rotations")
    loader, device = PairedCrops(images, None, settings), DeviceCrops(images, settings, torch.device("cpu"))
    for number in range(8):
        for made, wanted in zip(device[number], loader[number], strict=True):
            assert torch.equal(made, wanted)
    if scale == 1:
        assert torch.equal(loader[0][0], loader[0][1])
        assert torch.equal(crop_to_multiple(images[0], 1), images[0])
