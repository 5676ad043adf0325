"""Data sets in one NumPy file: images, labels and names of classes in an .npz."""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.limits import check_zip

KNOWN = ("images", "x_train", "labels", "y_train", "x_test", "y_test", "classes")
"""The arrays that are read."""
LARGEST_LABEL = 2**63 - 1


@dataclass(frozen=True)
class LabelledArray:
    """Images with a label each."""

    images: np.ndarray
    """(N, H, W, C) uint8, N >= 1, C = 1 (grey) or 3 (RGB)."""
    labels: np.ndarray
    """(N,) int64, -1 = unlabelled."""


@dataclass(frozen=True)
class ArrayFile:
    """The contents of an .npz."""

    train: LabelledArray
    """The images to train on."""
    test: LabelledArray | None
    """The held-out test set, if the file has one."""
    classes: tuple[str, ...]
    """Names of the labels 0, 1, ...; empty where there are no labels."""


def read_arrays(path: Path) -> ArrayFile:
    """The arrays `images` or `x_train`, and where there are `labels` or `y_train`, `x_test`, `y_test` and `classes`.

    Images are (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8 or float in [0, 1], which is rounded to 8 bits; labels are
    (N,) or (N, 1) whole numbers, -1 = unlabelled; where one is not below the number of images they are ids, which are
    numbered in their order, which is that of `classes`. Nothing in the file is executed.

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
    parts = [train] + ([test] if test else [])
    count = max(int(part.labels.max()) for part in parts) + 1
    names = len(arrays["classes"]) if "classes" in arrays and arrays["classes"].ndim else 0
    if count <= max(names, sum(len(part.labels) for part in parts)):
        return ArrayFile(train, test, _classes(path, arrays, count))
    parts, ids = _numbered(parts)
    classes = _classes(path, arrays, len(ids)) if "classes" in arrays else ids
    return ArrayFile(parts[0], parts[1] if test else None, classes)


def _load(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: not an .npz file, or not all of one")
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in KNOWN}
    except UserError:
        raise
    except Exception as error:  # a damaged file makes zipfile, zlib, ast and NumPy raise whatever they stumble over
        reason = "arrays of Python objects are not loaded" if "allow_pickle" in str(error) else _line(error)
        raise UserError(f"{path}: cannot be read ({reason})") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of what is not an array
            raise UserError(f"{path}: {name}: not an array")
    return arrays


def _check_sizes(path: Path) -> None:
    """Raise a UserError if an array is not as large as its header says, or what the file unpacks to fits nowhere."""
    check_zip(path)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name not in KNOWN:
                continue
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                if version not in readers:
                    raise UserError(f"{path}: {name}: arrays of version {version[0]}.{version[1]} are not read")
                shape, _, dtype = readers[version](file)
                declared, there = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
            if not dtype.hasobject and declared != there:
                raise UserError(f"{path}: {name}: its header promises {declared} bytes, it has {there}")


def _labelled(path: Path, arrays: dict[str, np.ndarray], name: str, label_name: str | None) -> LabelledArray:
    images = _images(f"{path}: {name}", arrays[name])
    if label_name is None:
        return LabelledArray(images, np.full(len(images), -1, dtype=np.int64))
    labels = arrays[label_name]
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(images),), (len(images), 1)):
        got = f"{labels.dtype} {labels.shape}"
        raise UserError(f"{path}: {label_name}: expected a whole number for each of {len(images)} images, got {got}")
    low, high = int(labels.min()), int(labels.max())
    if low < -1 or high > LARGEST_LABEL:
        got = low if low < -1 else high
        raise UserError(f"{path}: {label_name}: expected labels from 0 on, or -1 for none, got {got}")
    return LabelledArray(images, labels.reshape(-1).astype(np.int64))


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


def _numbered(parts: list[LabelledArray]) -> tuple[list[LabelledArray], tuple[str, ...]]:
    """Labels that are ids, in order, numbered from 0 on; the ids as the names of the classes."""
    ids = np.unique(np.concatenate([part.labels for part in parts]))
    ids = ids[ids >= 0]
    numbered = [np.where(part.labels < 0, -1, np.searchsorted(ids, part.labels)) for part in parts]
    pairs = zip(parts, numbered, strict=True)
    return [LabelledArray(part.images, labels.astype(np.int64)) for part, labels in pairs], tuple(map(str, ids))


def _line(error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0]
    return reason[:160] or type(error).__name__
