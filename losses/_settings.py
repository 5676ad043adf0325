"""What a setting may be: checked where a loss is made, not at its first use. Each check gives the setting back."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TypeVar

Name = TypeVar("Name", bound=str)


def one_of(setting: str, value: Name, known: Iterable[str]) -> Name:
    """One of the known names.

    Raises:
        ValueError: another name, or no name.
    """
    names = list(known)
    if not isinstance(value, str) or value not in names:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"{setting}: expected one of {', '.join(names)}; got {value!r}")
    return value


def names(setting: str, value: Iterable[str] | str) -> tuple[str, ...]:
    """Names: of one, a tuple of that one.

    Raises:
        ValueError: not names.
    """
    if isinstance(value, str):
        return (value,)
    try:
        listed = tuple(value)
    except TypeError:  # a tensor without dimensions, for one, only looks as if it could be gone through
        listed = None
    if listed is None or not all(isinstance(name, str) for name in listed):  # pyright: ignore
        raise ValueError(f"{setting}: expected names, got {value!r}")
    return listed


def number(setting: str, value: float) -> float:
    """A finite number.

    Raises:
        ValueError: not one.
    """
    if not _is_number(value):
        raise ValueError(f"{setting}: expected a finite number, got {value!r}")
    return value


def positive(setting: str, value: float) -> float:
    """A finite number above 0.

    Raises:
        ValueError: not one.
    """
    if not (_is_number(value) and value > 0):
        raise ValueError(f"{setting}: expected a positive number, got {value!r}")
    return value


def not_negative(setting: str, value: float) -> float:
    """A finite number of at least 0.

    Raises:
        ValueError: not one.
    """
    if not (_is_number(value) and value >= 0):
        raise ValueError(f"{setting}: expected 0 or more, got {value!r}")
    return value


def whole(setting: str, value: int, smallest: int = 1) -> int:
    """A whole number of at least the smallest.

    Raises:
        ValueError: not one.
    """
    if not isinstance(value, Integral) or _is_bool(value):
        raise ValueError(f"{setting}: expected a whole number, got {value!r}")
    if value < smallest:
        raise ValueError(f"{setting}: expected {smallest} or more, got {value!r}")
    return value


def function(setting: str, value: object) -> None:
    """Nothing, for something that can be called.

    Raises:
        TypeError: it cannot.
    """
    if not callable(value):
        raise TypeError(f"{setting}: expected a function or a module, got {type(value).__name__}")


def shown(owner: object, *settings: str) -> str:
    """`eps=0.001, form='root'`: the settings of a module, for its `extra_repr`."""
    return ", ".join(f"{setting}={getattr(owner, setting)!r}" for setting in settings)


def _is_number(value: object) -> bool:
    if not isinstance(value, Real) or _is_bool(value):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floating-point ones
        return False


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)  # which counts as a number in Python
