"""What the experiments on systems share: their command line, runs that go on where they stopped, and their result file.

An experiment trains with the public recipes and trainer, and writes docs/results/NAME.json: what its paper found, what
was found here, and how. `scripts.experiments.results` makes the page of all of them.
"""

import argparse
import json
import math
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from scripts.lib import paths
from scripts.lib.runs import training_hours
from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task
from srgan_kit.training.checkpoint import check_same, has_checkpoint
from srgan_kit.training.loop import MODEL, is_finished, train
from srgan_kit.training.results import metadata_of
from srgan_kit.training.run import Diverged
from srgan_kit.training.run_folder import RECIPE, RunLock
from srgan_kit.training.telemetry import LOG

HARDWARE = "hardware.txt"
"""In a run's folder: what it was trained on, a line each."""
DIVERGED = "diverged"
"""In a run's folder: how it diverged."""

Values = dict[str, Any]
"""What is measured of a run, such as can stand in JSON."""
Status = Literal["reached", "within 10 %", "not reached"]


@dataclass(frozen=True)
class Figure:
    """One number of an experiment beside its paper's."""

    measure: str
    """What is measured, with its unit: "errors of 10,000"."""
    setting: str
    """Where it is measured: "100 labels, mean of 3 label sets"."""
    ours: float
    spread: float | None = None
    """Standard deviation over seeds."""
    paper: float | None = None
    """The paper's figure; None where it has none."""
    goal: float | None = None
    """What was to be reached here; None for the paper's figure, and where neither is given for a baseline."""
    better: Literal["lower", "higher"] = "lower"
    is_aim: bool = True
    """Whether there is a goal: the paper's figure, if no other one is given. Not for what says nothing of quality."""

    @property
    def status(self) -> Status | None:
        """How `ours` compares with the goal; None for a baseline."""
        goal = self.paper if self.goal is None else self.goal
        if goal is None or not self.is_aim:
            return None
        behind = (self.ours - goal) * (1 if self.better == "lower" else -1)
        if behind <= 0:
            return "reached"
        return "within 10 %" if behind <= self._tenth(goal) else "not reached"

    def _tenth(self, goal: float) -> float:
        """10 % of the goal; of dB and of nats, which are logarithms, of the energy or probability that they mean."""
        if re.search(r"\bdB\b", self.measure):
            return 10 * math.log10(1.1)
        return math.log(1.1) if re.search(r"\bnats\b", self.measure) else 0.1 * abs(goal)


@dataclass
class Experiment:
    """An experiment: where it works, how long it may, and what it found."""

    name: str
    """Stem of its result file and its image."""
    title: str
    """Heading of its table on the page of results."""
    source: str
    """The paper and its table: "Salimans et al. 2016, arXiv:1606.03498, table 1"."""
    work: Path
    """Where runs lie; a second call goes on with them."""
    data: Path
    smoke: bool
    """Whether it only shows that it works: a few steps of tiny networks; figures mean nothing."""
    results: Path
    """Where the result file goes."""
    images: Path
    """Where figures go."""
    deadline: float | None = None
    """`time.monotonic()` at which its time is up."""
    figures: list[Figure] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    """What a reader must know to judge the figures: steps, seeds, sizes."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the page, below the table."""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each finished run its settings, hours of training, hardware, and the values that were measured of it."""
    unfinished: list[str] = field(default_factory=list)
    """Runs for which there was no time, or which another process trains."""

    @property
    def minutes_left(self) -> float | None:
        """None for no limit."""
        return None if self.deadline is None else max((self.deadline - time.monotonic()) / 60, 0.01)

    def trained(
        self,
        run: str,
        recipe: str,
        images: Path | None,
        settings: Sequence[str] = (),
        task: Callable[[Recipe], Task] | None = None,
    ) -> Path | None:
        """The folder of a finished run, trained now as far as it is not.

        None where the time is up before it ends, where another process trains it, or where it diverged, now or before;
        a signal ends this process. `task` makes a task of the script's own, see `training.loop.train`; `images` is None
        then.
        """
        folder = self.work / run
        try:
            with claimed(self.work / "claims" / run) as free:
                if not free or not self._go_on(folder, recipe, images, settings, task):
                    self.leave_out(run)
                    return None
        except Diverged as error:
            self.add_run(run, folder, settings)
            self.runs[run][DIVERGED] = str(error)
            return None
        self.add_run(run, folder, settings)
        return folder

    def measured(
        self,
        run: str,
        recipe: str,
        images: Path | None,
        settings: Sequence[str],
        measure: Callable[[Path], Values],
        task: Callable[[Recipe], Task] | None = None,
    ) -> Values | None:
        """What `measure` finds of the folder of a run, which is trained as by `trained`; None where that gives None.

        A run of the same settings that the result file knows, and that does not lie here, is not trained again: its
        values are those of the file. So a part of an experiment can be run in one checkout and the rest in another.
        """
        if self.knows(run, settings) and not (self.work / run).is_dir():
            self.runs[run] = self.earlier["runs"][run]
            if self.diverged(run):
                return None
        else:
            folder = self.trained(run, recipe, images, settings, task)
            if folder is None:
                return None
            self.runs[run]["values"] = measure(folder)
        return self.runs[run]["values"]

    def diverged(self, run: str) -> bool:
        """Whether a run for which `trained` or `measured` gave None has diverged."""
        return DIVERGED in self.runs.get(run, {})

    def leave_out(self, run: str) -> None:
        """Count a run among the unfinished ones."""
        if run not in self.unfinished:
            self.unfinished.append(run)

    def knows(self, run: str, settings: Sequence[str]) -> bool:
        """Whether the result file has what was measured of such a run."""
        known = self.earlier.get("runs", {}).get(run, {})
        return known.get("settings") == self._said(settings) and not known.keys().isdisjoint(("values", DIVERGED))

    @cached_property
    def earlier(self) -> dict[str, Any]:
        """The result file as it is before it is written; nothing where there is none."""
        path = self.results / f"{self.name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            sys.exit(f"error: {path}: expected the JSON of an experiment ({error}); remove it to begin anew")

    def add_run(self, run: str, folder: Path, settings: Sequence[str]) -> None:
        """Count a finished run among the experiment's; what was measured of it before stays."""
        hours = training_hours(folder) if (folder / LOG).is_file() else 0.0
        places = _places(folder) or [hardware()]
        known = {"settings": self._said(settings), "hours": hours, "hardware": places}
        self.runs[run] = self.runs.get(run, {}) | known

    def _said(self, settings: Sequence[str]) -> str:
        """Settings in a line, without where the data and the runs lie."""
        return " ".join(settings).replace(str(self.data), "DATA").replace(f"{self.work}{os.sep}", "")

    def folders(self, runs: Iterable[str]) -> list[Path]:
        """The folders of these runs, for a picture; none if one of them does not lie here."""
        found = [self.work / run for run in runs]
        return found if all(map(is_finished, found)) else []

    def _go_on(
        self,
        folder: Path,
        recipe: str,
        images: Path | None,
        settings: Sequence[str],
        task: Callable[[Recipe], Task] | None,
    ) -> bool:
        """Train as long as there is time; whether the run is finished."""
        loaded = load_recipe(recipe, list(settings), images)
        if (folder / DIVERGED).is_file():
            saved = _same_run(folder, (folder / RECIPE).read_text(encoding="utf-8"), loaded)
            if (saved.optimizer, saved.critic_optimizer) != (loaded.optimizer, loaded.critic_optimizer):
                sys.exit(f"error: {folder}: it diverged at other learning rates; remove the folder to train it anew")
            raise Diverged((folder / DIVERGED).read_text(encoding="utf-8"))
        if is_finished(folder):
            saved = _same_run(folder, metadata_of(folder / MODEL)["recipe"], loaded)
            if saved.steps == loaded.steps:
                return True
        if self.deadline is not None and time.monotonic() > self.deadline:
            return False
        own = None if task is None else task(loaded)
        try:
            outcome = train(loaded, folder, resume=has_checkpoint(folder), minutes=self.minutes_left, task=own)
        except Diverged as error:
            (folder / DIVERGED).write_text(str(error), encoding="utf-8")
            raise
        finally:
            if folder.is_dir():
                places = dict.fromkeys([*_places(folder), hardware()])
                (folder / HARDWARE).write_text("".join(f"{place}\n" for place in places), encoding="utf-8")
        if outcome.signal is not None:
            sys.exit(128 + outcome.signal)  # as `srgan-kit train` does: the next run is not for now either
        return is_finished(folder)

    def write(self, **more: Any) -> Path:
        """Write the result file; `more` is kept in it beside the figures (series of a plot, what else was found)."""
        places = {place for run in self.runs.values() for place in run["hardware"]}
        ends = {name: run[DIVERGED].partition(";")[0] for name, run in self.runs.items() if DIVERGED in run}
        record = {
            "title": self.title,
            "source": self.source,
            "command": f"SRGAN_KIT_DATA=DATA python -m scripts.experiments.{self.name}",
            "hardware": " and ".join(sorted(places or {hardware()})),
            "training_hours": sum(run["hours"] for run in self.runs.values()),
            "settings": self.settings,
            "figures": [asdict(figure) | {"status": figure.status} for figure in self.figures],
            "notes": [*self.notes, *(f"Run {name} diverged: {end}." for name, end in ends.items())],
            "runs": self.runs,
            "unfinished": self.unfinished,
        }
        self.results.mkdir(parents=True, exist_ok=True)
        path = self.results / f"{self.name}.json"
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(_short(record | more), indent=2) + "\n", encoding="utf-8")
        return path


def open_experiment(name: str, title: str, source: str, doc: str | None, argv: Sequence[str] | None) -> Experiment:
    """Read the command line that all experiments have: --work, --minutes, --smoke."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help=f"where runs lie (default: runs/experiments/{name})")
    parser.add_argument("--minutes", type=float, help="stop after so long; a second call goes on")
    parser.add_argument("--smoke", action="store_true", help="a few steps of everything; results go into --work")
    arguments = parser.parse_args(argv)
    work = arguments.work or Path("runs/experiments") / (f"{name}-smoke" if arguments.smoke else name)
    return Experiment(
        name=name,
        title=title,
        source=source,
        work=work,
        data=paths.data_folder("images and weights"),
        smoke=arguments.smoke,
        results=work if arguments.smoke else paths.RESULTS,
        images=work if arguments.smoke else paths.IMAGES,
        deadline=None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes,
    )


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Whether no other process has this claim, which is this one's until the block ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with RunLock(folder) as lock:
        try:
            lock.take()
        except UserError:
            free = False
        else:
            free = True
        yield free


def _same_run(folder: Path, recipe: str, wanted: Recipe) -> Recipe:
    """The recipe, from its JSON, of the run that lies in a folder; the script ends if another one is wanted there."""
    try:
        saved = Recipe.model_validate_json(recipe)
        check_same(saved, wanted)
        if saved.steps > wanted.steps:
            raise UserError(f"it was trained for {saved.steps} steps, and {wanted.steps} are asked for")
    except (UserError, ValueError) as error:
        sys.exit(f"error: {folder}: {error}; remove the folder to train it anew")
    return saved


def _places(folder: Path) -> list[str]:
    """What the run was trained on so far."""
    path = folder / HARDWARE
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def hardware() -> str:
    """The card, or the processor and how many threads of it were used."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    names = [line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} of {os.cpu_count()} threads"


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _short(value: Any) -> Any:
    """Numbers with five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _short(each) for key, each in value.items()}
    return [_short(each) for each in value] if isinstance(value, list | tuple) else value
