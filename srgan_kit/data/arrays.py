"""Data sets in one NumPy file: images, labels and names of classes in an .npz."""

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.limits import check_zip


@dataclass(frozen=True)
class LabelledArray:
    """Images with a label each."""

    images: np.ndarray
    """(N, H, W, C) uint8, N >= 1, C = 1 (grey) or 3 (RGB)."""
    labels: np.ndarray
    """(N,) int64, -1 = unlabelled."""


@dataclass(frozen=True)
class ArrayFile:
    """What an .npz holds."""

    train: LabelledArray
    """The images to train on."""
    test: LabelledArray | None
    """The held-out test set, if the file has one."""
    classes: tuple[str, ...]
    """Names of the labels 0, 1, ...; empty where there are no labels."""


def read_arrays(path: Path) -> ArrayFile:
    """The arrays `images` or `x_train`, and where there are `labels` or `y_train`, `x_test`, `y_test` and `classes`.

    Images are (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8 or float in [0, 1], which is rounded to 8 bits; labels are
    (N,) or (N, 1) whole numbers, -1 = unlabelled. Nothing in the file is executed.

    Raises:
        UserError: the file is no .npz, is damaged, lacks images, or an array is not as described; the message names it.
    """
    arrays = _load(path)
    name = next((name for name in ("images", "x_train") if name in arrays), None)
    if name is None:
        raise UserError(f"{path}: expected an array 'images' or 'x_train', but there is neither")
    label_name = next((name for name in ("labels", "y_train") if name in arrays), None)
    train = _labelled(path, arrays, name, label_name)
    test = _labelled(path, arrays, "x_test", "y_test" if "y_test" in arrays else None) if "x_test" in arrays else None
    labels = np.concatenate([train.labels] + ([test.labels] if test else []))
    return ArrayFile(train, test, _classes(path, arrays, int(labels.max()) + 1))


def _load(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: not an .npz file, or not all of one")
    known = ("images", "x_train", "labels", "y_train", "x_test", "y_test", "classes")
    try:
        check_zip(path)
        with np.load(path, allow_pickle=False) as file:
            for name in set(file.files) & set(known):
                _check_header(path, name, file.zip)
            arrays = {name: file[name] for name in file.files if name in known}
    except UserError:
        raise
    except (ValueError, EOFError, OSError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        reason = "arrays of Python objects are not loaded" if "allow_pickle" in str(error) else str(error)
        raise UserError(f"{path}: cannot be read ({reason})") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of what is not an array
            raise UserError(f"{path}: {name}: not an array")
    return arrays


def _check_header(path: Path, name: str, file: zipfile.ZipFile) -> None:
    """Raise a UserError if an array's header declares another size than the bytes that are there.

    Other mistakes are left to NumPy to find, before it makes anything.
    """
    if f"{name}.npy" not in file.namelist():
        return
    member = file.getinfo(f"{name}.npy")
    with file.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        declared, there = math.prod(shape) * dtype.itemsize, member.file_size - stream.tell()
    if declared != there and not dtype.hasobject:
        raise UserError(f"{path}: {name}: {shape} of {dtype} would be {declared:,} bytes, but there are {there:,}")


def _labelled(path: Path, arrays: dict[str, np.ndarray], name: str, label_name: str | None) -> LabelledArray:
    images = _images(f"{path}: {name}", arrays[name])
    if label_name is None:
        return LabelledArray(images, np.full(len(images), -1, dtype=np.int64))
    labels = arrays[label_name]
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(images),), (len(images), 1)):
        got = f"{labels.dtype} {labels.shape}"
        raise UserError(f"{path}: {label_name}: expected a whole number for each of {len(images)} images, got {got}")
    labels = labels.reshape(-1).astype(np.int64)
    if labels.min() < -1:
        raise UserError(f"{path}: {label_name}: expected labels from 0 on, or -1 for none, got {labels.min()}")
    return LabelledArray(images, labels)


def _images(name: str, images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) uint8."""
    if images.ndim not in (3, 4) or images.shape[3:] not in ((), (1,), (3,)) or not images.size:
        raise UserError(f"{name}: expected images (N, H, W), (N, H, W, 1) or (N, H, W, 3), got {images.shape}")
    images = images.reshape(*images.shape[:3], -1)
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise UserError(f"{name}: expected uint8, or float in [0, 1], got {images.dtype}")
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # neither holds for NaN
        raise UserError(f"{name}: expected floats in [0, 1], got {low:g} ... {high:g}")
    return (images * 255.0).round().astype(np.uint8)


def _classes(path: Path, arrays: dict[str, np.ndarray], count: int) -> tuple[str, ...]:
    """The names given, or the numbers."""
    if "classes" not in arrays or not count:
        return tuple(map(str, range(count)))
    classes = arrays["classes"]
    if classes.ndim != 1 or len(classes) < count:
        raise UserError(f"{path}: classes: expected a name for each of {count} labels, got {classes.shape}")
    return tuple(map(str, classes))
