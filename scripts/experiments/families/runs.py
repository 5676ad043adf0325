"""Train and measure one run of the comparison."""

import json
import statistics
import time
from pathlib import Path
from typing import Any

from torch.utils.data import default_collate

from scripts.experiments.families.digits import Classifier, Digits
from scripts.experiments.families.measures import failure, measure
from scripts.experiments.families.plans import FAMILIES, OTHERS, QUIET
from scripts.lib.generative_measures import Measured
from srgan_kit.errors import UserError
from srgan_kit.models.build import build_critic
from srgan_kit.models.generative import load_saved
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import start_accelerator, train
from srgan_kit.training.run import Run


def run(name: str, seed: int, data: Path, digits: Digits, network: Classifier, folder: Path) -> None:
    """Train and measure one model, unless it has been."""
    family, run_folder = FAMILIES[name], folder / f"{name}-{seed}"
    path = run_folder / "measured.json"
    if path.exists():
        return
    recipe = load_recipe(
        family.recipe, [*QUIET, "data.batch=64", *family.settings, f"steps={family.steps}", f"seed={seed}"], data
    )
    measured: Measured = {"family": name, "seed": float(seed), "steps": float(family.steps), "batch": 64.0}
    start = time.process_time()
    try:
        train(recipe, run_folder, resume=has_checkpoint(run_folder))
        measured["training"] = time.process_time() - start
        critic = build_critic(recipe, None)
        if critic is not None:
            measured["critic"] = float(sum(each.numel() for each in critic.parameters()))
        measured |= {
            name: value for name, value in last_validation(run_folder).items() if name.startswith("divergence")
        }
        measured |= measure(load_saved(run_folder), family, digits, network, run_folder)
        measured["failure"] = failure(measured)
    except UserError as error:  # such as a term that became infinite
        measured["failure"] = str(error)
    path.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(measured), flush=True)


def last_validation(run_folder: Path) -> dict[str, float]:
    """What the log says of the end of a run, by group and measure."""
    lines = [json.loads(line) for line in (run_folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    line = next(line for line in reversed(lines) if "warning" not in line)
    return {name.removeprefix("validation/"): value for name, value in line.items() if name != "step"}


def time_steps(data: Path, folder: Path) -> None:
    """Core seconds of a training step of every network, the Diagonal BiLSTM's too, as a median of three."""
    path = folder / "steps.json"
    if path.exists():
        return
    found: list[dict[str, Any]] = []
    for title, name, settings in [
        *((family.title, family.recipe, family.settings) for family in FAMILIES.values()),
        ("Diagonal BiLSTM", "diagonal-bilstm", ("generator.channels=32", "generator.layers=2")),
    ]:
        recipe = load_recipe(name, [*QUIET, "data.batch=64", *settings], data)
        accelerator = start_accelerator(recipe)
        one = Run(recipe, folder, accelerator, build_task(recipe, accelerator.device, folder))
        batch = one.task.batch(default_collate([one.task.examples[index] for index in range(64)]))
        seconds: list[float] = []
        for _ in range(4):
            start = time.process_time()
            one.train_step(batch)
            seconds.append(time.process_time() - start)
        parameters = sum(each.numel() for each in one.model.decoder.parameters())
        found.append({"title": title, "parameters": parameters, "seconds": statistics.median(seconds[1:])})
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found), flush=True)


def run_other(name: str, data: Path, folder: Path) -> None:
    """Train one of OTHERS, unless it has been."""
    other, run_folder = OTHERS[name], folder / name
    path = run_folder / "measured.json"
    if path.exists():
        return
    recipe = load_recipe(other.recipe, [*QUIET, *other.settings], data)
    start = time.process_time()
    train(recipe, run_folder, resume=has_checkpoint(run_folder))
    found = {"name": name, "seconds": time.process_time() - start, "measured": last_validation(run_folder)}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found), flush=True)
