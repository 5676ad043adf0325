"""The options of `upscale` that a request may have: one table for the HTTP interface and for the page."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from srgan_kit.images.formats import FORMATS, missing_extra
from srgan_kit.models import added, realesrgan
from srgan_kit.models.pretrained import AUTO, ModelSummary, pretrained_upscalers, read_summary
from srgan_kit.suggestions import did_you_mean

NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
FRACTION, PIXELS = re.compile(r"0|1|[01]\.[0-9]{1,6}"), re.compile(r"[1-9][0-9]{0,5}")
PERCENT, BOX = re.compile(r"[1-9][0-9]?|100"), re.compile(r"[0-9]{1,6}[xX][0-9]{1,6}")
FLAG = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class WrongOption(ValueError):
    """An option that is not known, or a value that it does not take."""


@dataclass(frozen=True)
class Option:
    """An option of the command line that may come from outside. Whether a value makes sense, the command says."""

    flag: str
    """As the command line has it."""
    expected: str
    """What its value is, for messages."""
    accepts: Callable[[str], bool]
    """Whether a text may be such a value: it becomes an argument of the command line."""
    is_switch: bool = False
    """Whether it stands there without a value."""


def _like(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


OPTIONS = {
    "model": Option("--model", "auto or a name that /models lists", lambda text: text in model_names()),
    "scale": Option("--scale", "a number such as 2.5", _like(NUMBER)),
    "width": Option("--width", "a number of pixels", _like(PIXELS)),
    "height": Option("--height", "a number of pixels", _like(PIXELS)),
    "detail": Option("--detail", "a number from 0 to 1", _like(FRACTION)),
    "denoise": Option("--denoise", "a number from 0 to 1", _like(FRACTION)),
    "fit": Option("--fit", "WxH such as 1920x1080", _like(BOX)),
    "fast": Option("--fast", "true or false", FLAG.__contains__, is_switch=True),
    "consistent": Option("--consistent", "true or false", FLAG.__contains__, is_switch=True),
    "ensemble": Option("--ensemble", "true or false", FLAG.__contains__, is_switch=True),
    "strip_metadata": Option("--strip-metadata", "true or false", FLAG.__contains__, is_switch=True),
    "format": Option("--format", "a format that is written, such as png", lambda text: text in output_formats()),
    "quality": Option("--quality", "a whole number from 1 to 100", _like(PERCENT)),
    "precision": Option("--precision", "auto, fp32, bf16 or fp16", {"auto", "fp32", "bf16", "fp16"}.__contains__),
}
"""By the names that they have in a request. What is not here cannot be set from outside: no files, no devices."""


def arguments_of(values: Iterable[tuple[str, str]]) -> list[str]:
    """The command line's options of a request's.

    Raises:
        WrongOption: one is unknown or twice there, or its value is of another kind.
    """
    found: dict[str, str] = {}
    for name, value in values:
        if name not in OPTIONS:
            raise WrongOption(
                f"{name[:40]}: no such option{did_you_mean(name, OPTIONS)}; expected {', '.join(OPTIONS)}"
            )
        if name in found:
            raise WrongOption(f"{name}: expected it once")
        if not OPTIONS[name].accepts(value):
            raise WrongOption(f"{name}: expected {OPTIONS[name].expected}, got {value[:80]!r}")
        found[name] = value
    arguments: list[str] = []
    for name, value in found.items():
        option = OPTIONS[name]
        if not option.is_switch:
            arguments += [option.flag, value]
        elif FLAG[value]:
            arguments.append(option.flag)
    return arguments


def output_formats() -> list[str]:
    """Formats that this installation writes, by their endings without the dot."""
    return [suffix[1:] for suffix, format in FORMATS.items() if missing_extra(format) is None]


def models() -> list[ModelSummary]:
    """What is known of every model that has a name here."""
    own = [read_summary(path) for path in pretrained_upscalers().values()]
    return [*own, *realesrgan.summaries(), *added.summaries()]


def model_names() -> list[str]:
    """`auto` and the names of all models: a file's path is none of them."""
    return [AUTO, *(model.name for model in models())]
