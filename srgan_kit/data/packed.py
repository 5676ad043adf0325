"""Training images packed in one .zip file, to carry to where they are trained on."""

import tempfile
import zipfile
from pathlib import Path

from srgan_kit.errors import UserError
from srgan_kit.limits import check_zip

PACKED_ENDING = ".avif"
"""What packing adds to an image's name."""


class Unpacked:
    """A folder of images, or a .zip of one, which is unpacked to a temporary folder for as long as this object lives.

    Raises:
        UserError: there is no such folder or file, it is no .zip, it is damaged, or unpacks to far more than it is.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path
        if path.is_dir():
            return
        if not path.is_file():
            raise UserError(f"{path}: expected a folder of images or a .zip of one, but there is neither")
        try:
            check_zip(path)
            self._temporary = tempfile.TemporaryDirectory(prefix="srgan-kit-")  # removed with this object
            self.folder = Path(self._temporary.name)
            with zipfile.ZipFile(path) as file:
                file.extractall(self.folder)  # which keeps every name inside the folder
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
            raise UserError(f"{path}: not a .zip file that can be unpacked ({error})") from None
