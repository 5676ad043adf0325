"""Image folders and crops: real files of many kinds, and samples that depend on their number alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srgan_kit.data.crops import CropSettings, PairedCrops, StepSampler, check_partner
from srgan_kit.data.image_folder import find_images, find_partners, read_rgb
from srgan_kit.data.image_set import ImageSet
from srgan_kit.data.sources import open_files
from srgan_kit.errors import UserError
from srgan_kit.images.resize import crop_to_multiple, resize_8bit


def sample_image(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    (root / "inner").mkdir()
    for number, name in enumerate(["a.png", "b.bmp", "inner/c.tiff", "inner/d.webp"]):
        sample_image(40 + number, 52, number).save(root / name, **({"lossless": True} if name.endswith("webp") else {}))  # pyright: ignore[reportArgumentType]
    return root


def test_a_folder_of_mixed_files_names_the_broken_ones(folder: Path, tmp_path: Path) -> None:
    for path in find_images(folder):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not an image")
    sample_image(90, 90).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:2000])
    sample_image(8, 90).save(tmp_path / "thin.png")
    (tmp_path / "notes.txt").write_text("passed over: not an image ending")
    images = ImageSet([open_files(tmp_path)], cache_megabytes=1, minimum=16)
    assert [images.name(number) for number in range(len(images))] == ["a.png", "b.bmp", "c.tiff", "d.webp"]
    assert {skipped.path.name for skipped in images.skipped} == {"zero.png", "text.jpg", "cut.jpg", "thin.png"}
    assert "90x8 pixels, smaller than 16x16" in {skipped.reason for skipped in images.skipped}


def test_the_cache_changes_nothing_but_memory(folder: Path) -> None:
    cached, read = (ImageSet([open_files(folder)], megabytes) for megabytes in (1, 0))
    assert (cached.cached, read.cached) == (4, 0)
    for index in range(4):
        assert torch.equal(cached[index], read[index])


def test_folders_without_usable_images_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        find_images(tmp_path / "absent")
    with pytest.raises(UserError, match="no image found"):
        find_images(tmp_path)
    (tmp_path / "zero.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"no usable image among 1 .*zero\.png"):
        ImageSet([open_files(tmp_path)], 1)


def test_orientation_palette_grey_and_16_bit_become_rgb(tmp_path: Path) -> None:
    image = sample_image(4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: stored 6 wide and 4 high, shown 4 wide and 6 high
    image.save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(read_rgb(tmp_path / "turned.png"), torch.rot90(read_rgb_of(image, tmp_path), -1, (1, 2)))
    Image.fromarray(np.full((3, 3), 257 * 9, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert read_rgb(tmp_path / "deep.png").eq(9).all()
    Image.new("P", (3, 3)).save(tmp_path / "palette.gif")
    assert read_rgb(tmp_path / "palette.gif").shape == (3, 3, 3)
    Image.new("L", (3, 2), 77).save(tmp_path / "grey.png")
    assert torch.equal(read_rgb(tmp_path / "grey.png"), torch.full((3, 2, 3), 77, dtype=torch.uint8))


def read_rgb_of(image: Image.Image, folder: Path) -> torch.Tensor:
    image.save(folder / "upright.png")
    return read_rgb(folder / "upright.png")


@given(
    index=st.integers(0, 10**9),
    seed=st.integers(0, 100),
    augment=st.sampled_from(["none", "flips", "flips-and-rotations"]),
)
def test_a_sample_is_a_function_of_seed_and_number(folder: Path, index: int, seed: int, augment: str) -> None:
    images = ImageSet([open_files(folder)], 1)
    settings = CropSettings(scale=2, patch=8, augment=augment, seed=seed)
    first = PairedCrops(images, None, settings)[index]
    again = PairedCrops(ImageSet([open_files(folder)], 0), None, settings)[index]
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert (first[0].shape, first[1].shape) == ((3, 16, 16), (3, 8, 8))


def test_a_crop_and_its_partner_are_the_same_place_turned_the_same_way(folder: Path, tmp_path: Path) -> None:
    images = ImageSet([open_files(folder)], 1)
    settings = CropSettings(scale=4, patch=5, augment="flips-and-rotations", seed=3)
    crops = PairedCrops(images, None, settings)
    for index in range(len(images)):
        low = resize_8bit(crop_to_multiple(images[index], 4), 0.25)
        Image.fromarray(low.permute(1, 2, 0).numpy()).save(tmp_path / f"{index}.png")
    partners = ImageSet([open_files(tmp_path)], 1)
    paired = PairedCrops(images, partners, settings)
    for index in range(30):
        for made, given_ in zip(crops[index], paired[index], strict=True):
            assert torch.equal(made, given_)


def test_all_eight_turns_occur_and_none_without_augmentation(tmp_path: Path) -> None:
    sample_image(16, 16).save(tmp_path / "a.png")
    square = ImageSet([open_files(tmp_path)], 1)
    settings = CropSettings(scale=2, patch=8, augment="flips-and-rotations", seed=0)
    crops = PairedCrops(square, None, settings)
    assert len({crops[i][0].numpy().tobytes() for i in range(100)}) == 8
    still = PairedCrops(square, None, replace(settings, augment="none"))
    assert all(torch.equal(still[i][0], square[0]) for i in range(10))


def test_a_partner_of_the_wrong_size_is_an_error() -> None:
    check_partner((41, 52), Path("a.png"), (20, 26), 2)
    with pytest.raises(UserError, match=r"a\.png: expected 26x20 pixels, 1/2 of its partner, got 52x40"):
        check_partner((41, 52), Path("a.png"), (40, 52), 2)


def test_hidden_files_and_the_run_folder_are_left_out(folder: Path, tmp_path: Path) -> None:
    for name in ("a.png", ".hidden.png", "runs/try/sheets/1.png", "runs/other/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        sample_image(8, 8).save(tmp_path / name)
    found = find_images(tmp_path, leave_out=tmp_path / "runs" / "try")
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.png", "runs/other/2.png"]


def test_partners_are_found_by_name_in_the_same_inner_folder(tmp_path: Path) -> None:
    high, low = tmp_path / "high", tmp_path / "low"
    for name in ("high/a.png", "high/in/a.png", "low/a.png", "low/ax4.png", "low/in/a_x4.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        sample_image(8, 8).save(tmp_path / name)
    partners = find_partners(find_images(high), high, low, 4)
    assert partners == [low / "ax4.png", low / "in" / "a_x4.jpg"]
    with pytest.raises(UserError, match=r"no partner in .* expected in/ax2, in/a_x2, in/a with"):
        find_partners([high / "in" / "a.png"], high, low, 2)


def test_the_sampler_gives_each_part_its_rows_of_every_batch_and_resumes() -> None:
    whole = list(StepSampler(0, 4, (4, 2), batches=2))
    assert whole[1] == list(range(12, 24))
    ranks = [list(StepSampler(0, 4, (2, 1), batches=2, parts=range(rank, rank + 1), of=2)) for rank in (0, 1)]
    assert ranks[0][0] == [0, 1, 4, 6, 7, 10]
    assert ranks[1][0] == [2, 3, 5, 8, 9, 11]
    assert list(StepSampler(0, 4, (1, 1), parts=range(2, 4), of=4))[1] == [10, 14, 11, 15]
    assert list(StepSampler(2, 4, (4, 2), batches=2)) == whole[2:]
    assert len(StepSampler(2, 4, (4, 2))) == 2


def test_reductions_are_kept_only_where_there_is_room(folder: Path) -> None:
    for megabytes, kept in ((0, 0), (1, 2)):
        images = ImageSet([open_files(folder)], megabytes, minimum=16)
        made: list[int] = []

        def half(image: torch.Tensor, made: list[int] = made) -> torch.Tensor:
            made.append(1)
            return image[:, ::2]

        for index in (0, 1, 0, 1):
            assert torch.equal(images.made_of(index, 0.5, half), images[index][:, ::2])
        assert len(made) == 4 - kept
