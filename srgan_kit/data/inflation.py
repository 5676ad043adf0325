"""Archives that unpack to far more than they are: refused before they are unpacked."""

import zipfile
from pathlib import Path

import psutil

from srgan_kit.errors import UserError

HARMLESS = 2**30
"""An archive that unpacks to no more bytes than this is not looked at, ..."""
RATIO = 100
"""... nor one that unpacks to no more than so many times its size: photographs are compressed already, and drawings
and digits shrink to a fiftieth at best."""


def check_inflation(path: Path, archive: zipfile.ZipFile, room: int | None = None) -> None:
    """Raise a UserError if the archive's parts say that they unpack to more than is free, or to suspiciously much.

    Args:
        path: the archive's.
        archive: the open archive.
        room: bytes that are free where it is unpacked to; None for the memory.
    """
    size, packed = sum(member.file_size for member in archive.infolist()), path.stat().st_size
    room = psutil.virtual_memory().available if room is None else room
    if size > room:
        raise UserError(f"{path}: unpacks to {size / 2**30:.3g} GiB, {room / 2**30:.3g} GiB are free")
    if size > max(HARMLESS, RATIO * packed):
        times = f"{size / packed:,.0f} times its size"
        raise UserError(f"{path}: unpacks to {size / 2**30:.3g} GiB, {times}: damaged, or made to fill the memory")
