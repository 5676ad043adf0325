"""What a run says while it goes: a JSONL log, TensorBoard, and a progress bar or plain lines."""

import json
import sys
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"


class Telemetry:
    """The log of one run; on resuming, lines written after the checkpoint are dropped, so that none is there twice.

    Of several processes only the main one has a telemetry; the others have `Silence`.
    """

    def __init__(self, run: Path, start: int, steps: int) -> None:
        self._steps = steps
        path = run / LOG
        if start and path.exists():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= start]
            path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        elif path.exists():
            path.unlink()
        self._log = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=start + 1)
        self._console = Console(file=sys.stderr)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
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

    def record(self, step: int, values: dict[str, float]) -> None:
        """Write one line of named numbers everywhere."""
        self._log.write(json.dumps({"step": step, **values}) + "\n")
        self._log.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        speed = values.get("steps_per_second")
        if speed is not None:
            self._progress.update(self._task, speed=f"{speed:.2f} steps/s")
        shown = "  ".join(f"{name.split('/')[-1]} {value:.5g}" for name, value in values.items())
        if self._console.is_terminal:
            self._progress.update(self._task, note=shown if speed is None else "")
        else:
            remaining = f"  {(self._steps - step) / speed / 60:.1f} min left" if speed else ""
            print(f"step {step}/{self._steps}  {shown}{remaining}", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """A line for the person watching."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Silence(Telemetry):
    """The telemetry of the processes beside the main one: none."""

    def __init__(self) -> None:
        pass

    def __enter__(self) -> "Silence":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def step(self, step: int) -> None:
        """Nothing."""

    def record(self, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):  # a line cut short by a crash
        return sys.maxsize
