"""Data sets of the package `datasets`, on this machine: saved by `save_to_disk`, or a folder of .parquet files."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from srgan_kit.data.image_files import ImageFiles, read_encoded
from srgan_kit.errors import UserError

MARKS = ("dataset_info.json", "state.json")
"""The files by which a folder is one that `Dataset.save_to_disk` wrote."""
SPLITS = "dataset_dict.json"
"""The file of a folder with several of those."""


def is_saved_dataset(folder: Path) -> bool:
    """Whether `save_to_disk` wrote the folder."""
    return all((folder / mark).is_file() for mark in MARKS) or (folder / SPLITS).is_file()


class TableFiles(ImageFiles):
    """The images of a table's column, by row.

    The column is the first of the type `Image`; the first of the type `ClassLabel` has the classes. Nothing is looked
    for on the network.

    Args:
        root: a folder that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote (of the latter the split
            "train"), or a folder of .parquet files.

    Raises:
        UserError: the extra is missing, no table in the folder, or no images in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        table = _open(root)
        columns = {name: type(feature).__name__ for name, feature in table.features.items()}
        self._column = _first(columns, "Image")
        if self._column is None:
            raise UserError(f"{root}: no column of images; expected one of the type Image, got {columns}")
        label = _first(columns, "ClassLabel")
        self._classes: list[str | None] = [None] * len(table)
        if label is not None:
            names = table.features[label].names
            self._classes = [None if number is None or number < 0 else names[number] for number in table[label]]
        from datasets import Image

        self._table = table.select_columns([self._column]).cast_column(self._column, Image(decode=False))
        self.names = [f"{number:09d}" for number in range(len(table))]
        files = [path for path in root.rglob("*") if path.suffix in (".arrow", ".parquet")]
        found = [path.stat() for path in files]
        self._stamp = sum(each.st_size for each in found), max(each.st_mtime_ns for each in found)

    def stamps(self) -> Sequence[tuple[int, int]]:
        """For all images the size of the table's files together, and their last time of change."""
        return [self._stamp] * len(self.names)

    def read(self, number: int) -> np.ndarray:
        """The image of that row."""
        shown = self.root / self.names[number]
        row = self._table[number][self._column]
        if row is None:
            raise UserError(f"{shown}: there is no image in this row")
        if row["bytes"] is not None:
            return read_encoded(row["bytes"], row["path"] or "", shown)
        try:
            return read_encoded(Path(row["path"]).read_bytes(), row["path"], shown)
        except OSError as error:
            raise UserError(f"{shown}: {row['path']} cannot be read: {error.strerror}") from None

    def class_of(self, number: int) -> str | None:
        """The row's class."""
        return self._classes[number]


def _open(root: Path) -> Any:
    """The table in a folder, with nothing asked of the network."""
    if find_spec("datasets") is None:
        raise UserError(f"{root}: tables of images need the extra data: pip install 'srgan-kit[data]'")
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    try:
        if not is_saved_dataset(root):
            files = sorted(map(str, root.rglob("*.parquet")))
            return datasets.load_dataset("parquet", data_files=files, split="train")
        table = datasets.load_from_disk(str(root))
    except Exception as error:  # a damaged table makes Arrow and json raise whatever they stumble over
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"{root}: not a table that can be read ({reason[:160]})") from None
    if isinstance(table, datasets.DatasetDict):
        if "train" not in table:
            raise UserError(f"{root}: expected a split 'train', or the folder of one of {', '.join(map(str, table))}")
        return table["train"]
    return table


def _first(columns: dict[str, str], kind: str) -> str | None:
    return next((name for name, each in columns.items() if each == kind), None)
