"""The output of a run while it trains: a JSONL log, TensorBoard, warnings, and a progress bar or plain lines."""

import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from torch.utils.tensorboard import SummaryWriter

from srgan_kit.atomic import atomic_write
from srgan_kit.training.health_checks import HealthChecks
from srgan_kit.training.limit import TimeLimit

LOG = "log.jsonl"
VALIDATION, BICUBIC = "validation/", "bicubic_"
"""What the names of the task's measures begin with, and among them those of bicubic upscaling."""


class TimeLeft(ProgressColumn):
    """What the steps still to be done will take, or the run's time if that is less: 0:01:30."""

    max_refresh = 0.5

    def __init__(self, limit: TimeLimit) -> None:
        super().__init__()
        self._limit = limit

    def render(self, task: Task) -> Text:
        """The text on the terminal."""
        of_steps = task.time_remaining
        seconds = min(self._limit.left, inf if of_steps is None else of_steps)
        text = "-:--:--" if seconds == inf else str(timedelta(seconds=int(max(0.0, seconds))))
        return Text(text, style="progress.remaining")


class Telemetry:
    """The log of one run; on resuming, lines written after the checkpoint are dropped, so that none is there twice.

    Of several processes only the main one has a telemetry; the others have `NullTelemetry`.
    """

    def __init__(self, run: Path, start: int, steps: int, limit: TimeLimit) -> None:
        self._steps, self._limit = steps, limit
        self._health_checks = HealthChecks()
        path = run / LOG
        kept = {line: record for line, record in read_log(path).items() if record["step"] <= start}
        with atomic_write(path) as temporary:  # in place of a link, not through it
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        self.start: dict[str, float] = {}
        """The measures of what the run starts from, by name."""
        for record in kept.values():  # a warning that is in the log is not repeated
            values = numbers(record)
            self._health_checks.read(values)
            self._remember(record["step"], values)
        self._log = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=start + 1)
        self._console = Console(file=sys.stderr)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TimeLeft(limit),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("train", total=steps, completed=start, speed="", note="")

    def __enter__(self) -> "Telemetry":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._log.close()
        self._board.close()

    def step(self, step: int) -> None:
        """Step `step` (counted from 1) is done."""
        self._progress.update(self._task, completed=step)

    def plan(self, steps: int) -> None:
        """The number of steps that fit into the run's time is known."""
        self._steps = steps
        self._progress.update(self._task, total=steps)
        self.say(f"{steps} steps fit into {self._limit.minutes:g} minutes")

    def record(self, step: int, values: dict[str, float]) -> None:
        """Write one line of named numbers everywhere."""
        self._log.write(json.dumps({"step": step, **values}) + "\n")
        self._log.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._remember(step, values)
        speed = values.get("steps_per_second")
        if speed is not None:
            self._progress.update(self._task, speed=f"{speed:.2f} steps/s")
        if self._console.is_terminal:
            measured = {name: value for name, value in values.items() if name.startswith("validation/")}
            if measured:
                self._progress.update(self._task, note=readable(measured, self.start))
        else:
            seconds = min((self._steps - step) / speed, max(0.0, self._limit.left)) if speed else 0.0
            remaining = f"  {seconds / 60:.1f} min left" if speed else ""
            print(f"step {step}/{self._steps}  {readable(values, self.start)}{remaining}", file=sys.stderr, flush=True)
        for warning in self._health_checks.read(values):
            self._warn(step, warning)

    def sheet(self, step: int, path: Path) -> None:
        """Show a sheet on TensorBoard, if there is one: the file as it is, because encoding it again takes time."""
        if path.is_file() and self._board.file_writer is not None:
            with Image.open(path) as sheet:
                width, height = sheet.size
            image = Summary.Image(width=width, height=height, encoded_image_string=path.read_bytes())
            self._board.file_writer.add_summary(Summary(value=[Summary.Value(tag="sheet", image=image)]), step)

    def _remember(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the measures of the start, which stand beside all later ones."""
        if step == 0:
            self.start |= measures(values)

    def _warn(self, step: int, warning: str) -> None:
        self._log.write(json.dumps({"step": step, "warning": warning}) + "\n")
        self._log.flush()
        self._board.add_text("warnings", warning, step)
        self.say(f"warning, step {step}: {warning}")

    def say(self, line: str) -> None:
        """A line for the person watching."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class NullTelemetry(Telemetry):
    """The telemetry of the processes beside the main one: none."""

    def __init__(self) -> None:
        self.start = {}

    def __enter__(self) -> "NullTelemetry":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def step(self, step: int) -> None:
        """Show no progress."""

    def plan(self, steps: int) -> None:
        """Announce no number of steps."""

    def record(self, step: int, values: dict[str, float]) -> None:
        """Log no numbers."""

    def sheet(self, step: int, path: Path) -> None:
        """Show no sheet."""

    def say(self, line: str) -> None:
        """Print no line."""


def read_log(path: Path) -> dict[str, dict[str, Any]]:
    """What the lines of a log say, by the line, however damaged the file is; nothing where there is none.

    Lines that were cut short by a crash, or that name no step, are left out.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return {line: record for line in lines if (record := _record(line)) is not None}


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and type(record.get("step")) is int else None


def numbers(record: Mapping[str, object]) -> dict[str, float]:
    """The numbers of a record by name, without its step."""
    named = ((name, value) for name, value in record.items() if name != "step")
    return {name: value for name, value in named if isinstance(value, int | float) and not isinstance(value, bool)}


def measures(values: Mapping[str, float]) -> dict[str, float]:
    """The task's measures in a record, by name."""
    return {name.removeprefix(VALIDATION): value for name, value in values.items() if name.startswith(VALIDATION)}


def with_baselines(measured: Mapping[str, float], start: Mapping[str, float]) -> list[str]:
    """The task's measures in words, each with what bicubic upscaling and the start of the run have.

    >>> with_baselines({"psnr_y": 31.7, "bicubic_psnr_y": 28.43, "lpips": 0.1234}, {"psnr_y": 31.224})
    ['psnr_y 31.7 (start 31.22, bicubic 28.43)', 'lpips 0.1234']
    """
    parts: list[str] = []
    for name, value in measured.items():
        if name.startswith(BICUBIC):
            continue
        baselines = {"start": start.get(name), "bicubic": measured.get(f"{BICUBIC}{name}")}
        beside = ", ".join(f"{of} {number:.4g}" for of, number in baselines.items() if number is not None)
        parts.append(f"{name} {value:.4g}" + (f" ({beside})" if beside else ""))
    return parts


def readable(values: Mapping[str, float], start: Mapping[str, float] = {}) -> str:
    """Numbers by name in one line: those without a group first, then each group by its name.

    Args:
        values: by name, with a slash between group and measure.
        start: the measures of the start of the run, which stand beside those of a validation.

    >>> readable({"pixel": 0.0123456, "share/pixel": 0.98, "share/adversarial": 0.02, "learning_rate": 1e-4})
    'pixel 0.01235  learning_rate 0.0001  share: pixel 98% adversarial 2%'
    >>> readable({"divergence/kl": 0.51234, "divergence/kl_error": 0.01234})
    'divergence: kl 0.512±0.012'
    """
    groups: dict[str, list[str]] = {"": []}
    for name, value in values.items():
        group, _, measure = name.rpartition("/")
        error = values.get(f"{name}_error")
        if name.startswith(VALIDATION) or (name.endswith("_error") and name.removesuffix("_error") in values):
            continue
        if group in ("share", "paused"):
            number = f"{value:.0%}"
        elif error is not None:
            number = f"{value:.3f}±{error:.3f}"
        else:
            number = f"{value:.4g}"
        groups.setdefault(group, []).append(f"{measure} {number}")
    if measured := with_baselines(measures(values), start):
        groups["validation"] = measured
    grouped = [f"{group}: {' '.join(parts)}" for group, parts in groups.items() if group]
    return "  ".join([*groups[""], *grouped])
