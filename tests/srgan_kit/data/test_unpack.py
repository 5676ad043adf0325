"""Training images packed in one file train as the folder does."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from scripts.pretrained import pack_images as pack_training_images
from srgan_kit.data.image_files import FolderFiles
from srgan_kit.data.image_folder import find_images, read_rgb
from srgan_kit.data.unpack import Unpacked
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.super_resolution import SuperResolution


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("sources")
    for seed, name in enumerate(["bsds/a.png", "bsds/inner/b.png", "cc0/a.png"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (60, 72, 3), dtype=np.uint8)
        Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)).save(root / name)
    return [root / "bsds", root / "cc0"]


def recipe(data: Path) -> Recipe:
    return load_recipe("smoke", ["data.patch=8", "validation.holdout=1"], data)


def test_the_packed_file_holds_every_image_in_its_folder_close_to_the_original(
    folders: list[Path], tmp_path: Path
) -> None:
    file = tmp_path / "training.zip"
    found = pack_training_images.pack(folders, file, 90, 1)
    assert [(part.source, part.images) for part in found] == [("bsds", 2), ("cc0", 1)]
    unpacked = Unpacked(file)
    images = {str(path.relative_to(unpacked.folder)): read_rgb(path) for path in find_images(unpacked.folder)}
    assert set(images) == {"bsds/a.png.avif", "bsds/inner/b.png.avif", "cc0/a.png.avif"}
    error = images["cc0/a.png.avif"].double() - read_rgb(folders[1] / "a.png").double()
    psnr = float(10 * torch.log10(255**2 / error.square().mean()))
    assert psnr == pytest.approx(found[1].psnr, abs=1e-6)
    assert found[1].worst > 38
    assert pack_training_images.pack(folders, tmp_path / "low.zip", 30, 1)[1].psnr < psnr - 3


def test_the_task_takes_the_packed_file_and_removes_what_it_unpacked(folders: list[Path], tmp_path: Path) -> None:
    pack_training_images.pack(folders, tmp_path / "training.zip", 90, 1)
    task = SuperResolution(recipe(tmp_path / "training.zip"), torch.device("cpu"), tmp_path / "run")
    again = SuperResolution(recipe(tmp_path / "training.zip"), torch.device("cpu"), tmp_path / "run")
    assert task.fingerprint() == again.fingerprint()  # although the temporary folders differ
    assert set(task.classes) <= {"bsds", "cc0"}
    assert task.examples[0][0].shape == (3, 32, 32)
    assert len(task.images) == 2
    held_out = [
        SuperResolution(recipe(data), torch.device("cpu"), tmp_path / "run").validation[0][1]
        for data in (tmp_path / "training.zip", folders[0].parent)
    ]
    assert held_out[0].double().sub(held_out[1]).square().mean().sqrt() < 4  # the same image, but for the encoding
    source = task.images.sources[0]
    assert isinstance(source, FolderFiles)
    folder = source.folder
    del source
    assert folder.is_dir()
    del task
    assert not folder.exists()


def test_files_that_are_none_and_packs_that_are_too_large_are_errors(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(UserError, match=r"text\.zip: not a \.zip file"):
        Unpacked(tmp_path / "text.zip")
    with pytest.raises(UserError, match="neither"):
        Unpacked(tmp_path / "absent.zip")
    with pytest.raises(UserError, match=r"more than 0\.001"):
        pack_training_images.pack(folders, tmp_path / "large.zip", 90, 0.001)
    assert not (tmp_path / "large.zip").exists()
    with pytest.raises(UserError, match="different names"):
        pack_training_images.pack([folders[0], folders[0]], tmp_path / "twice.zip", 90, 1)


def test_names_that_lead_out_of_the_folder_stay_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sly.zip", "w") as file:
        file.writestr("../../outside.png", b"x")
    unpacked = Unpacked(tmp_path / "sly.zip")
    assert [path.name for path in unpacked.folder.rglob("*.png")] == ["outside.png"]
