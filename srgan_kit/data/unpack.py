"""Training images packed in one .zip file, to carry to where they are trained on."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srgan_kit.data.image_folder import check_no_image
from srgan_kit.errors import UserError
from srgan_kit.limits import check_zip

PACKED_ENDING = ".avif"
"""The ending that packing adds to an image's name."""


class Unpacked:
    """A folder of images, or a .zip of one, which is unpacked to a temporary folder for as long as this object lives.

    Raises:
        UserError: there is no such folder or file, it is no .zip, it is damaged, or unpacks to far more than it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = self.folder = path
        if path.is_dir():
            return
        if not path.is_file():
            raise UserError(f"{path}: expected a folder of images or a .zip of one, but there is neither")
        if path.suffix.lower() == ".npz":
            raise UserError(f"{path}: arrays are for the other tasks; super-resolution takes a folder or a .zip of one")
        check_no_image(path)
        try:
            self._temporary = tempfile.TemporaryDirectory(prefix="srgan-kit-")  # removed with this object
            self.folder = Path(self._temporary.name)
            check_zip(path, shutil.disk_usage(self.folder).free)
            with zipfile.ZipFile(path) as file:
                file.extractall(self.folder)  # which keeps every name inside the folder
        except UserError:
            raise
        except Exception as error:  # a damaged file makes zipfile and zlib raise whatever they stumble over
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise UserError(f"{path}: not a .zip file that can be unpacked ({reason})") from None

    def name(self, path: Path) -> Path:
        """The path of a file in the folder as the user knows it."""
        return self.path / path.relative_to(self.folder)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Within it, errors name the user's file instead of the temporary folder."""
        try:
            yield
        except UserError as error:
            raise UserError(str(error).replace(str(self.folder), str(self.path))) from None
