"""Where training images come from: a folder, a .zip of one, shards or a table; `open_files` sees which it is."""

from pathlib import Path

from srgan_kit.data.image_files import FolderFiles, ImageFiles, image_names
from srgan_kit.data.shards import ENDING as SHARD
from srgan_kit.data.shards import TarFiles
from srgan_kit.data.tables import TableFiles, is_saved_dataset
from srgan_kit.data.unpack import Unpacked
from srgan_kit.errors import UserError


class UnpackedFiles(FolderFiles):
    """The images of a .zip of a folder, unpacked for as long as this object lives.

    Raises:
        UserError: see `Unpacked`; no image in it.
    """

    def __init__(self, path: Path) -> None:
        self._unpacked = Unpacked(path)
        names = image_names(self._unpacked.folder)
        if not names:
            raise UserError(f"{path}: no image found in it or below it")
        super().__init__(self._unpacked.folder, names, root=path)

    def __getstate__(self) -> dict[str, object]:
        """For another process: the folder is removed with the first."""
        return {name: value for name, value in self.__dict__.items() if name != "_unpacked"}


def open_files(path: Path, leave_out: Path | None = None) -> ImageFiles:
    """The images of a folder, a .zip of one, WebDataset shards, or a table of the package `datasets`.

    Args:
        path: a folder of images (searched recursively), of .tar files, of .parquet files, or one that
            `Dataset.save_to_disk` wrote; a .zip or a .tar file.
        leave_out: images below this folder are not among them.

    Raises:
        UserError: nothing there, or no image in it.
    """
    if not path.is_dir():
        if path.is_file() and path.suffix.lower() == SHARD:
            return TarFiles(path)
        return UnpackedFiles(path)
    if is_saved_dataset(path):
        return TableFiles(path)
    names = image_names(path, leave_out=leave_out)
    if names:
        return FolderFiles(path, names)
    if next(path.glob(f"*{SHARD}"), None) is not None:
        return TarFiles(path)
    if next(path.rglob("*.parquet"), None) is not None:
        return TableFiles(path)
    raise UserError(f"{path}: no image found in it or below it")
