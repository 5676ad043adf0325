"""Where training images come from: folders, shards and tables are the same images, several are mixed as weighted."""

import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srgan_kit.data import tables
from srgan_kit.data.image_dataset import DatasetSettings, load_dataset
from srgan_kit.data.image_files import ImageFiles
from srgan_kit.data.mixture import Mixture, ranges_of
from srgan_kit.data.shards import TarFiles
from srgan_kit.data.sources import open_files
from srgan_kit.errors import UserError

CLASSES = {"a.png": "roses", "b.png": "daisy", "deep.png": "roses"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two RGB images of 8 bits and a grey one of 16, in folders that are their classes."""
    root = tmp_path_factory.mktemp("folder")
    random = np.random.default_rng(0)
    for name, kind in CLASSES.items():
        (root / kind).mkdir(exist_ok=True)
        deep = name == "deep.png"
        pixels = random.integers(0, 65536 if deep else 256, (9, 7) if deep else (8, 6, 3))
        Image.fromarray(pixels.astype(np.uint16 if deep else np.uint8)).save(root / kind / name)
    return root


def add(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    shard.addfile(entry, io.BytesIO(content))


@pytest.fixture(scope="module")
def shards(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images in two .tar files, with their classes beside them, and what is no image."""
    root = tmp_path_factory.mktemp("shards")
    for number, names in enumerate((["b.png"], ["a.png", "deep.png"])):
        with tarfile.open(root / f"{number}.tar", "w") as shard:
            add(shard, "./.hidden.png", b"passed over")
            for name in names:
                add(shard, f"in/{name}", (folder / CLASSES[name] / name).read_bytes())
                add(shard, f"in/{name.removesuffix('png')}cls", f"{CLASSES[name]}\n".encode())
                add(shard, f"in/{name.removesuffix('png')}json", b"{}")
    return root


def content(files: ImageFiles) -> dict[str, tuple[bytes, str, str | None]]:
    """Pixels, type and class of each image, by the last part of its name."""
    found = {}
    for number, name in enumerate(files.names):
        pixels = files.read(number)
        found[name.rpartition("/")[2]] = pixels.tobytes(), str(pixels.dtype), files.class_of(number)
    return found


def test_shards_hold_the_images_and_classes_of_the_folder(folder: Path, shards: Path) -> None:
    files = open_files(shards)
    assert isinstance(files, TarFiles)
    assert list(files.names) == ["0.tar/in/b.png", "1.tar/in/a.png", "1.tar/in/deep.png"]
    assert content(files) == content(open_files(folder))
    assert {kind for _, kind, _ in content(files).values()} == {"uint8", "uint16"}
    assert list(open_files(shards / "1.tar").names) == ["in/a.png", "in/deep.png"]


def test_shards_that_cannot_be_read_are_named(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"nothing of the kind" * 99)
    with pytest.raises(UserError, match=r"0\.tar: expected a \.tar file of images \(cut off, compressed, or no \.tar"):
        open_files(tmp_path)
    whole = (shards / "1.tar").read_bytes()
    (tmp_path / "0.tar").write_bytes(whole[: whole.index(b"in/deep.png") + 200])
    with pytest.raises(UserError, match=r"0\.tar: expected a \.tar file of images"):
        open_files(tmp_path)
    with tarfile.open(tmp_path / "0.tar", "w") as shard:
        add(shard, "a.png", b"no image")
        add(shard, "b.txt", b"text")
    files = open_files(tmp_path)
    with pytest.raises(UserError, match=r"0\.tar/a\.png: cannot be read|0\.tar/a\.png: not an image"):
        files.read(0)
    with tarfile.open(tmp_path / "0.tar", "w"):
        pass
    with pytest.raises(UserError, match=r"no image found in its \.tar files"):
        open_files(tmp_path)


def test_tables_hold_the_images_and_classes_of_the_folder(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    names = sorted(set(CLASSES.values()))
    features = datasets.Features({"photo": datasets.Image(), "kind": datasets.ClassLabel(names=names)})
    paths = [folder / kind / name for name, kind in CLASSES.items()]
    rows = {
        "photo": [{"bytes": path.read_bytes(), "path": path.name} for path in paths],
        "kind": [names.index(path.parent.name) for path in paths],
    }
    table = datasets.Dataset.from_dict(rows, features=features)
    table.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"train": table}).save_to_disk(tmp_path / "splits")
    (tmp_path / "parquet").mkdir()
    table.to_parquet(str(tmp_path / "parquet" / "0.parquet"))
    wanted = sorted(content(open_files(folder)).values())
    for name in ("saved", "splits", "parquet"):
        files = open_files(tmp_path / name)
        assert list(files.names) == ["000000000", "000000001", "000000002"]
        assert sorted(content(files).values()) == wanted
    datasets.DatasetDict({"test": table}).save_to_disk(tmp_path / "no train")
    with pytest.raises(UserError, match="expected a split 'train', or the folder of one of test"):
        open_files(tmp_path / "no train")
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "no image")
    with pytest.raises(UserError, match="no column of images; expected one of the type Image, got"):
        open_files(tmp_path / "no image")


def test_without_the_extra_a_table_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(UserError, match=r"tables of images need the extra data: pip install 'srgan-kit\[data\]'"):
        open_files(tmp_path)


def test_a_place_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image found in it or below it"):
        open_files(tmp_path)
    with pytest.raises(UserError, match=r"expected a folder of images or a \.zip of one, but there is neither"):
        open_files(tmp_path / "absent")


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=5), st.integers(0, 10**12))
def test_sources_are_drawn_as_weighted_and_each_numbers_its_own_samples(weights: list[float], start: int) -> None:
    mixture, count = Mixture.of(weights), 500
    sources, numbers = mixture(np.arange(start, start + count))
    alone = [tuple(int(part[0]) for part in mixture(np.array([index]))) for index in range(start, start + 20)]
    assert alone == list(zip(sources[:20].tolist(), numbers[:20].tolist(), strict=True))
    for source, weight in enumerate(weights):
        own = numbers[sources == source]
        assert own.tolist() == list(range(int(own[0]) if len(own) else 0, (int(own[0]) if len(own) else 0) + len(own)))
        assert abs(len(own) - count * weight / sum(weights)) < len(weights) + 1
    first, counts = mixture(np.arange(50))[0], mixture(np.arange(50))[1]
    assert all(counts[index] == list(first[:index]).count(first[index]) for index in range(50))


def test_ranges_of_sources() -> None:
    assert ranges_of(np.array([0, 0, 2]), 3).tolist() == [[0, 2], [2, 0], [2, 1]]


def test_a_data_set_of_several_sources_takes_each_in_epochs_of_its_own(tmp_path: Path) -> None:
    for name, levels in (("dark", range(3)), ("light", range(200, 207))):
        (tmp_path / name).mkdir()
        for level in levels:
            Image.new("L", (4, 4), level).save(tmp_path / name / f"{level}.png")
    settings = DatasetSettings(size=4, channels=1, seed=3, holdout=0, mixture=Mixture.of([1.0, 3.0]))
    train = load_dataset([tmp_path / "dark", tmp_path / "light"], settings).train
    levels = [int(train[index][0][0, 0, 0]) for index in range(12)]
    assert Counter(level < 100 for level in levels) == {True: 3, False: 9}
    assert sorted(level for level in levels if level < 100) == [0, 1, 2]
    assert sorted([level for level in levels if level > 100][:7]) == list(range(200, 207))
    other = load_dataset([tmp_path / "dark", tmp_path / "light"], settings).train
    assert train.fingerprint() == other.fingerprint()
    assert [int(image[0, 0, 0]) for image in other.batch(range(12))[0]] == levels
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 4, 4), dtype=np.uint8))
    with pytest.raises(UserError, match=r"x\.npz: an \.npz file is a whole data set"):
        load_dataset([tmp_path / "dark", tmp_path / "x.npz"], settings)


def test_images_of_16_bits_make_a_data_set_of_floats(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (5, 5)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    Image.new("L", (5, 5), 51).save(tmp_path / "b.png")
    train = load_dataset(tmp_path, DatasetSettings(size=5, channels=1, seed=0, holdout=0)).train
    found = sorted((train.images[number] for number in range(2)), key=lambda image: float(image.std()))
    assert found[0].allclose(found[0].new_tensor(51 / 255))
    assert np.array_equal((found[1][0] * 65535).round().numpy().astype(np.uint16), deep)
