"""The settings of one of ncnn's layers: what nobody asked for was not understood, and is refused."""

from collections.abc import Sequence

from srgan_kit.models.ncnn_files import Layer, Refusal, Value

IGNORED = (30, 31)
"""Hints about shapes and features of the CPU, which change no result."""


class Settings:
    """A layer's settings, each to be asked for; what nobody asked for was not understood."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._left: dict[int, Value] = {key: value for key, value in layer.settings.items() if key not in IGNORED}

    def number(self, key: int, default: float) -> float:
        """A number."""
        value = self._left.pop(key, default)
        if isinstance(value, list):
            raise Refusal(f"{self.layer}: setting {key}: expected a number, got a list")
        return value

    def integer(self, key: int, default: int, choice: Sequence[int] | None = None) -> int:
        """A whole number, which must be one of `choice`."""
        value = self.number(key, default)
        if value != int(value) or (choice is not None and value not in choice):
            expected = " or ".join(map(str, choice or ["a whole number"]))
            raise Refusal(f"{self.layer}: setting {key}={value:g} is not understood, expected {expected}")
        return int(value)

    def count(self, key: int, default: int = 0) -> int:
        """A whole number of at least 1."""
        value = self.integer(key, default)
        if value < 1:
            raise Refusal(f"{self.layer}: setting {key}: expected at least 1, got {value}")
        return value

    def numbers(self, key: int) -> list[float]:
        """A list."""
        value = self._left.pop(key, [])
        return value if isinstance(value, list) else [float(value)]

    def end(self) -> None:
        """Refuse what was not asked for.

        Raises:
            Refusal: there is such a setting.
        """
        for key, value in self._left.items():
            raise Refusal(f"{self.layer}: setting {key}={value} is not understood")
