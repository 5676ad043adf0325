"""Kill `srgan-kit upscale` and `srgan-kit train` at random moments, and count what should not happen.

    python -m scripts.reliability.kills [--count 50] [--seed 1] [--show]

Real processes are ended with SIGKILL, SIGTERM, SIGHUP or SIGINT, and the same is done again to its end: the rest of the
images, or the run by `--resume`, with or without a worker process that prepares crops. Counted are files that are there
and not whole, temporary files that the next run leaves, tracebacks, exit statuses other than 128 and the signal's
number (0 where all was done already), and trainings that do not come back with what one never killed has, bit for bit:
the models, both players' weights and optimisers, the averages, and the numbers of the log and of its validations. The
trainings are super-resolution without and with a critic, a GAN with virtual batch norm and historical averaging, and a
semi-supervised run. One process in eight is a new interpreter, which spends most of its time on imports; the others are
forked from this one, which has done them. Unix only.
"""

import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open

import srgan_kit.cli.app
import srgan_kit.cli.main
import srgan_kit.training.loop
import srgan_kit.upscaling.image
from scripts.reliability.fuzzing import print_summary
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.super_resolution import save_model

SIGNALS = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT")
PICTURES = 6
"""In two inner folders, which are classes."""
BAD = ("partial outputs", "leftovers", "tracebacks", "wrong exit statuses", "trainings not bit-identical")
STEPS, EVERY = 40, 15
"""Of a training, and from one validation to the next."""
SETTINGS = (
    f"steps={STEPS}",
    "checkpoint_every=7",
    f"validation.every={EVERY}",
    "validation.holdout=2",
    "log_every=1",
    "device=cpu",
    "precision=fp32",
)
UPSCALER = ("data.patch=8", "data.batch=2", "generator.channels=4", "generator.groups=1")
CRITIC = ("variant=gan", "weights.adversarial=0.01", "critic={name='dcgan', channels=4}")
SMALL = ("data.size=16", "data.batch=4", "generator.channels=4", "critic.channels=4", "latent.noise=4")
HISTORY = ("weights.historical_averaging=1e-3", "critic_weights.historical_averaging=1e-3")
TRAININGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "train": ("smoke", UPSCALER),
    "train with a critic": ("smoke", (*UPSCALER, *CRITIC)),
    "train a GAN": ("dcgan", (*SMALL, "techniques.virtual_batch_norm=true", *HISTORY)),
    "train with few labels": (
        "dcgan",
        (*SMALL, "variant=improved-gan", "critic.classes=2", "labels.share=0.5", "labels.count=2"),
    ),
}
"""The recipe and its settings, by command."""
MODELS = ("model.safetensors", "best.safetensors")
CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
TIMED = ("steps_per_second",)
"""What the log has of a run's speed."""


@dataclass
class Command:
    """What is killed: the arguments, in a folder of its own, and of how to do the rest."""

    name: str
    arguments: list[str]
    rest: list[str]
    results: dict[str, object] = field(default_factory=dict)
    """What an undisturbed run makes, by name in `out`."""
    seconds: float = 0.0
    """From when it hears signals to its end."""


def prepare(folder: Path) -> None:
    """Images and a model, made by code."""
    random = np.random.default_rng(0)
    for name in ("in", "classes/left", "classes/right"):
        (folder / name).mkdir(parents=True)
    for number in range(PICTURES):
        rough = random.integers(0, 256, (8, 9, 3), dtype=np.uint8)
        image = Image.fromarray(rough).resize((64, 56), Image.Resampling.BICUBIC)
        for name in ("in", f"classes/{'left' if number % 2 else 'right'}"):
            image.save(folder / name / f"{number}.png")
    config = ResidualSRConfig(channels=8, groups=1, convolutions=1)
    save_model(config.build(), config, folder / "tiny.safetensors", {"border": "4"})


def commands(folder: Path, only: str) -> list[Command]:
    """Those whose name begins with `only`, after an undisturbed run of each."""
    upscale = ["upscale", "in", "-m", "tiny.safetensors", "-o", "out", "--precision", "fp32", "--device", "cpu"]
    made = [Command("upscale", upscale, [*upscale, "--skip-existing"])]
    for name, (recipe, settings) in TRAININGS.items():
        options = [word for each in (*SETTINGS, *settings) for word in ("--set", each)]
        train = ["train", recipe, "--data", "classes", "-o", "out", *options]
        made.append(Command(name, train, ["train", "--resume", "out"]))
    made = [command for command in made if command.name.startswith(only)]
    for command in made:
        process = Process(folder, command.arguments)
        process.wait_until_it_hears()
        since = time.monotonic()
        status, said = process.end()
        command.seconds = time.monotonic() - since
        if status:
            raise RuntimeError(f"{command.name} does not run undisturbed: {said}")
        command.results = results(folder, command)
        shutil.rmtree(folder / "out")
    return made


class Process:
    """The command in a process that hears signals, even where this one is in the background or under nohup.

    Args:
        folder: where it runs; what it says goes into a file there.
        arguments: of `srgan-kit`.
        is_new: whether by a new interpreter.
    """

    def __init__(self, folder: Path, arguments: list[str], is_new: bool = False) -> None:
        self._said = folder / "said.txt"
        self._process = multiprocessing.get_context("fork").Process(target=self._run, args=(folder, arguments, is_new))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def end(self) -> tuple[int, str]:
        """Its exit status, minus the signal's number where that killed it, and all that it said."""
        self._process.join(timeout=240)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            return 1, "Traceback: it hangs"
        return self._process.exitcode, self._said.read_text(errors="replace")

    def wait_until_it_hears(self) -> None:
        """Until the command's own handlers are there: before, Python has not come to it yet."""
        status, bit = Path(f"/proc/{self.pid}/status"), 1 << (signal.SIGTERM - 1)
        if not status.exists():
            time.sleep(0.5)
        while self._process.is_alive() and status.exists():
            caught = next((line for line in status.read_text().splitlines() if line.startswith("SigCgt:")), "SigCgt: 0")
            if int(caught.split()[1], 16) & bit:
                return
            time.sleep(0.001)

    def _run(self, folder: Path, arguments: list[str], is_new: bool) -> None:
        for name in SIGNALS[1:]:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.chdir(folder)
        said = os.open(self._said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        if is_new:
            os.environ["PYTHONPATH"] = os.pathsep.join(each for each in sys.path if each)
            os.execv(sys.executable, [sys.executable, "-m", "srgan_kit", *arguments])
        sys.argv = ["srgan-kit", *arguments]
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        srgan_kit.cli.main.run()


def results(folder: Path, command: Command) -> dict[str, object]:
    """What the command was to make, as far as it is there; of models that cannot be read an exception."""
    trains = command.name != "upscale"
    names = (*MODELS, CHECKPOINT, LOG) if trains else [f"{number}_x4.png" for number in range(PICTURES)]
    paths = [folder / "out" / name for name in names]
    return {path.name: contents(path) for path in paths if path.exists()}


def contents(path: Path) -> object:
    """The file's bytes; a model's weights and metadata, whose order in the file is left to chance; a log's numbers."""
    if path.suffix == ".png":
        return path.read_bytes()
    if path.name == LOG:
        return numbers_of(path)
    try:
        if path.name == CHECKPOINT:
            state = torch.load(path, weights_only=True)
            return flat(state | {"recipe": of_results(state["recipe"])})
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            metadata["recipe"] = of_results(metadata["recipe"])
            return metadata, {key: file.get_tensor(key).tobytes() for key in list(file.keys())}
    except Exception as error:
        return error


def of_results(recipe: str) -> dict[str, Any]:
    """A recipe, but for who prepares its crops."""
    values = json.loads(recipe)
    del values["data"]["workers"]
    return values


def flat(state: Any, key: str = "") -> dict[str, object]:
    """A checkpoint's numbers and tensors, those as bytes, by their place in it; its checksums are of these."""
    if isinstance(state, dict | list | tuple):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        return {place: value for name, each in pairs for place, value in flat(each, f"{key}/{name}").items()}
    return {key: state.numpy().tobytes() if isinstance(state, torch.Tensor) else state}


def numbers_of(log: Path) -> list[dict[str, object]]:
    """The log's records but for the run's speed, and for the validations of those who stopped it."""
    records: list[dict[str, object]] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        is_regular = "learning_rate" in record or record["step"] % EVERY == 0 or record["step"] == STEPS
        if "warning" not in record and is_regular:
            records.append({name: value for name, value in record.items() if name not in TIMED})
    return [record for number, record in enumerate(records) if record not in records[:number]]


def broken(folder: Path, command: Command) -> list[str]:
    """Files that are there and not whole."""
    there = results(folder, command)
    if command.name != "upscale":
        return [f"{name}: {content}" for name, content in there.items() if isinstance(content, Exception)]
    return [name for name, content in there.items() if content != command.results[name]]


def leftovers(folder: Path) -> list[str]:
    """Temporary files, in the folder and below it."""
    return [str(path) for path in folder.rglob(".unfinished-*")]


def attempt(folder: Path, command: Command, random: np.random.Generator) -> dict[str, list[str]]:
    """Kill it once, do the rest; what should not have happened, and under "" what did."""
    name = SIGNALS[int(random.integers(len(SIGNALS)))]
    process = Process(folder, command.arguments, is_new=bool(random.random() < 1 / 8))
    process.wait_until_it_hears()
    wait = float(random.uniform(0, command.seconds))
    time.sleep(wait)
    with suppress(ProcessLookupError):
        os.kill(process.pid, getattr(signal, name))
    status, said = process.end()
    is_done = len(results(folder, command)) == len(command.results)
    number = getattr(signal, name)
    allowed = [-number if name == "SIGKILL" else 128 + number, *([0] if is_done else [])]
    bad = {each: [] for each in BAD}
    bad["partial outputs"] += broken(folder, command)
    if name != "SIGKILL":
        bad["leftovers"] += leftovers(folder)
    bad["tracebacks"] += [said] if "Traceback" in said else []
    bad["wrong exit statuses"] += [] if status in allowed else [f"{status}: {said}"]
    has_run = any((folder / "out").glob("checkpoint*.pt"))
    trains = command.name != "upscale"
    rest = command.arguments if trains and not has_run else command.rest
    if trains and has_run and random.random() < 1 / 4:
        rest = [*rest, "--set", "data.workers=1"]
    status_again, said_again = Process(folder, rest).end()
    bad["tracebacks"] += [said_again] if "Traceback" in said_again else []
    bad["wrong exit statuses"] += [f"the next one: {status_again}: {said_again}"] if status_again else []
    bad["leftovers"] += leftovers(folder)
    now = results(folder, command)
    kind = "trainings not bit-identical" if trains else "partial outputs"
    bad[kind] += [f"after the next: {each}" for each in command.results if now.get(each) != command.results[each]]
    when = "was over" if status == 0 else f"after {wait:.2f} s"
    return bad | {"": [f"{command.name}, {name}, {when}, status {status}"]}


def run(count: int, seed: int, show: bool = False, only: str = "") -> str:
    """The summary of so many kills: kill number n is a function of (seed, n), but for the machine's speed.

    `only` is how the names of those begin that are killed, "upscale" or "train"; by default all take turns.
    """
    counts: Counter[str] = Counter()
    torch.set_num_threads(1)  # threads would not live on in forks
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        chosen = commands(folder, only)
        for number in range(count):
            command = chosen[number % len(chosen)]
            found = attempt(folder, command, np.random.default_rng((seed, number)))
            shutil.rmtree(folder / "out", ignore_errors=True)
            counts[command.name] += 1
            counts["over"] += "was over" in found[""][0]
            for kind in BAD:
                counts[kind] += len(found[kind])
                if show and found[kind]:
                    print(f"kill {number} ({found[''][0]}): {kind}: {found[kind]}", flush=True)
    bad = ", ".join(f"{counts[kind]} {kind}" for kind in BAD)
    kinds = ", ".join(f"{counts[command.name]} of {command.name}" for command in chosen)
    kinds += f", {counts['over']} came too late"
    return f"{count} kills, seed {seed}: {bad}; {kinds}"


if __name__ == "__main__":
    print_summary(run, 50, __doc__)
