"""A run's log, read as it is: of finished, resumed, stopped and crashed runs."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from srgan_kit.training.health_checks import HealthChecks
from srgan_kit.training.telemetry import BICUBIC, VALIDATION, numbers, read_log

Points = list[tuple[int, float]]
"""(step, value), the steps rising."""


@dataclass(frozen=True)
class Record:
    """A line of numbers."""

    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Seen:
    """A warning, and when it came up."""

    heading: str
    """What is wrong, in short."""
    text: str
    """What was observed the last time, and what to try."""
    steps: list[int]
    """At which it was said."""
    lasting: bool
    """Whether it is still so at the end of the log."""


class RunLog:
    """The records of `log.jsonl` in the order of their steps.

    Lines that were cut short by a crash, that are damaged or hold no numbers are left out. Where a step was done again,
    because a run went back to a checkpoint, the later line counts.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self.records: list[Record] = []
        for record in records:
            while self.records and self.records[-1].step > record.step:
                self.records.pop()
            self.records.append(record)

    @classmethod
    def read(cls, path: Path) -> "RunLog":
        """The log in that file; an empty one where there is none."""
        records = (Record(line["step"], numbers(line)) for line in read_log(path).values())
        return cls(record for record in records if record.values)

    @property
    def last_step(self) -> int:
        """The last one in the log; 0 without any."""
        return max((record.step for record in self.records), default=0)

    def names(self) -> list[str]:
        """Of every number in the log, in the order in which they first appear."""
        return list(dict.fromkeys(name for record in self.records for name in record.values))

    def points(self, name: str) -> Points:
        """A number's course; what is not finite is left out."""
        pairs = ((record.step, record.values[name]) for record in self.records if name in record.values)
        return [(step, value) for step, value in pairs if math.isfinite(value)]

    def start(self, measure: str) -> float | None:
        """A measure of what the run started from."""
        return next((value for step, value in self.points(f"{VALIDATION}{measure}") if step == 0), None)

    def bicubic(self, measure: str) -> float | None:
        """The measure of bicubic upscaling."""
        points = self.points(f"{VALIDATION}{BICUBIC}{measure}")
        return points[-1][1] if points else None

    def seconds(self) -> float:
        """Of all steps together, validations not counted, as far as the log has their speed."""
        total, before = 0.0, 0
        for step, speed in self.points("steps_per_second"):
            total += (step - before) / speed if speed > 0 else 0.0
            before = step
        return total

    def warnings(self) -> list[Seen]:
        """What the checks of this version find in the log."""
        checks = HealthChecks()
        found: dict[str, tuple[str, list[int]]] = {}
        for record in self.records:
            for warning in checks.read(record.values):
                heading, _, text = warning.partition(": ")
                found[heading] = text, [*found.get(heading, ("", []))[1], record.step]
        lasting = {warning.partition(": ")[0] for warning in checks.lasting()}
        return [Seen(heading, text, steps, heading in lasting) for heading, (text, steps) in found.items()]
