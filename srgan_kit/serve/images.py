"""An uploaded image upscaled: the command line that does it, and what it answers."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srgan_kit.errors import UserError
from srgan_kit.serve.channel import ERR, PROGRESS, Job
from srgan_kit.serve.workers import Place, WorkerDied

RESULTS, REPORT, COMPARISON = "results", "report.json", "compare.html"
"""What a job's folder gets beside the image."""
LONGEST_MESSAGE = 10_000
BEGINNINGS = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff",
    "WebP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "BMP": rb"BM",
    "AVIF or HEIF": rb"....ftyp(avif|avis|heic|heix|heim|heis|hevc|hevx|mif1|msf1)",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "PNM": rb"P[1-6]\s",
}
"""What uploads may begin with. Pillow opens far more, PostScript among it, which is a program: Ghostscript runs it."""
BOMB, TOO_LARGE = "refused, it may be a decompression bomb: ", "the result would have "
"""What the reasons begin with why an image is too large."""


@dataclass(frozen=True)
class Limits:
    """What a request may cost."""

    upload: int
    """Bytes of a request."""
    pixels: int
    """Of an image."""
    result_pixels: int
    """Of a result."""


@dataclass(frozen=True)
class Made:
    """A result."""

    file: Path
    facts: dict[str, Any]
    """What the report says of it."""
    comparison: Path | None
    """The page with before and after, where it was asked for."""


class Refused(Exception):
    """A request that is not fulfilled.

    Attributes:
        status: of HTTP.
        reason: for the user, a line.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def upscale_file(
    place: Place,
    file: Path,
    arguments: Sequence[str],
    limits: Limits,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    compared: bool = False,
) -> Made:
    """Upscale the only file of a folder by the command line; the results come into the same folder.

    Raises:
        Refused: a wrong option, or an image that cannot be read or is too large.
        Cancelled: it was stopped before it began.
    """
    check_kind(file)
    folder = file.parent
    command = [f"./{file.name}", "-o", f"{RESULTS}/", "--report", REPORT, *arguments]
    command += ["--max-pixels", str(limits.pixels), "--max-result-pixels", str(limits.result_pixels)]
    command += ["--compare", COMPARISON] if compared else []
    said = bytearray()

    def hear(kind: bytes, content: bytes) -> None:
        if kind == ERR and len(said) < LONGEST_MESSAGE:
            said.extend(content)
        elif kind == PROGRESS:
            progress(*json.loads(content))

    try:
        status = place.run(Job(command, str(folder)), hear)
    except (WorkerDied, UserError) as error:  # the latter where it cannot be started again
        raise Refused(500, str(error)) from None
    facts = _facts(folder / REPORT)
    if status == 0 and facts["status"] == "done":
        page = folder / COMPARISON
        return Made(folder / facts["target"], facts, page if page.exists() else None)
    if facts.get("status") == "failed":
        raise _refusal(facts["reason"])
    lines = said.decode(errors="replace").splitlines() or [f"ended with status {status}"]
    raise Refused(400 if status == 2 else 500, lines[-1].removeprefix("error: "))


def check_kind(file: Path) -> None:
    """Raise `Refused` unless a file begins as an image of `BEGINNINGS`."""
    with file.open("rb") as opened:
        begin = opened.read(16)
    if not any(re.match(pattern, begin, re.DOTALL) for pattern in BEGINNINGS.values()):
        raise Refused(422, f"not an image of a kind that is taken here: {', '.join(BEGINNINGS)}")


def _facts(report: Path) -> dict[str, Any]:
    """What is reported of the one image; nothing where the command did not get that far."""
    try:
        return json.loads(report.read_text(encoding="utf-8"))["images"][0]
    except (OSError, ValueError, LookupError):
        return {}


def _refusal(reason: str) -> Refused:
    """An image's failure, without the options of the command line that nobody can give here."""
    if reason.startswith((BOMB, TOO_LARGE)):
        return Refused(413, reason.removeprefix(BOMB).partition(";")[0])
    return Refused(503 if reason == "not enough memory" else 422, reason)
