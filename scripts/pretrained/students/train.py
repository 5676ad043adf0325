"""Train the pretrained super-resolvers on an accelerator in minutes: small networks learn from large ones' answers.

    python -m scripts.pretrained.students.train --images training.zip --weights DIR --work DIR --out DIR \\
        --seconds 480 [--stages NAME ...] [--start DIR] [--further]

The images lie on the device, with the teachers' answers to whole images, made once. Each stage gets its share of the
time that is left; its learning rate is a function of that time. DIR of `--weights` holds the teachers
(`images.py`) and the networks of the perceptual terms (`paths.NETWORKS`). `--dry-run` does everything on a few
images, on a CPU too.
"""

import argparse
import json
import sys
import time
import traceback
import zipfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.lib import paths
from scripts.pretrained.students.adversary import Adversary
from scripts.pretrained.students.branched import BranchedStudent
from scripts.pretrained.students.crop_pools import Pool, sample
from scripts.pretrained.students.images import PAIR_SIDES, StudentImages, start_pairs
from scripts.pretrained.students.loop import Objective, train_student
from scripts.pretrained.students.stages import (
    BATCH,
    CONVOLUTIONS,
    FLAT,
    PREPARATION,
    SHORTEST,
    STAGES,
    Stage,
    Terms,
    config_of,
)
from srgan_kit.generators.super_resolution.residual import ResidualSR
from srgan_kit.losses import LPIPSLoss, VGGFeatureLoss, phase_balance, phase_bias, phase_evenness
from srgan_kit.models.super_resolution import save_model

LAYERS = {"conv1_2": 0.5, "conv2_2": 0.25, "conv3_1": 0.5}
SHIFT = 8
"""What networks compare is cut by up to so many pixels first, so that their strides and the generator's pixel shuffle
are not in step."""
COMPARED = 16
"""How many crops of a batch are compared by networks, drawn anew each time: they cost most of a step."""
GREY = 0.05
"""Probability that a crop is grey, where colour could get a tint."""
LOG = "students.json"


class Trainer:
    """What the stages share: images, time, and the students that are there."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.begin = time.monotonic()
        self.device = torch.device(options.device)
        self.dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.students: dict[str, dict[str, Tensor]] = {}
        self.failed: set[str] = set()
        self.log: dict[str, object] = {"torch": torch.__version__}
        named = options.stages or [stage.name for stage in STAGES if stage.default]
        self.stages = [next(stage for stage in STAGES if stage.name == name) for name in named]

    def say(self, text: str) -> None:
        """Print with the seconds since the start."""
        print(f"[{time.monotonic() - self.begin:6.1f} s] {text}", flush=True)

    def run(self) -> None:
        """Train all stages; one that fails does not end the others, whose time is dear."""
        work: Path = self.options.work
        if not (work / "images").is_dir():
            with zipfile.ZipFile(self.options.images) as file:
                file.extractall(work / "images")
        left_out = {work / "images" / name for name in self.options.leave_out}
        if unknown := sorted(folder.name for folder in left_out if not folder.is_dir()):
            raise SystemExit(f"--leave-out: {self.options.images} has no folder {', '.join(unknown)}")
        paths = sorted(path for path in (work / "images").rglob("*") if path.is_file())
        paths = [path for path in paths if left_out.isdisjoint(path.parents)]
        paths = paths[:: 300 if self.options.dry_run else 1]
        photo_scales = {stage.scale for stage in self.stages if stage.kind == "photo"}
        kind = "-without-".join(["dry run" if self.options.dry_run else "degraded", *sorted(self.options.leave_out)])
        self.pairs = {scale: work / f"{kind}-x{scale}.npz" for scale in PAIR_SIDES if scale in photo_scales}
        # Before the device is used, because they are forked.
        making = start_pairs(paths, self.pairs, self.options.dry_run, self.options.workers)
        self.log["device"] = torch.cuda.get_device_name() if self.device.type == "cuda" else self.device.type
        self.images = StudentImages(paths, self.options.weights, self.device, self.options.dry_run)
        self.say(f"{len(paths)} images on {self.log['device']}")
        for number, stage in enumerate(self.stages):
            try:
                self.train(stage, self.stages[number + 1 :])
            except Exception as error:
                self.failed.add(stage.name)
                self.say(f"{stage.name}: FAILED: {error!r}")
                traceback.print_exc()
        making.join()
        self.say("done")

    def train(self, stage: Stage, after: list[Stage]) -> None:
        """Train a stage's student for its share of the time that is left, and write it."""
        plain = ResidualSR(stage.scale, stage.channels, stage.groups, CONVOLUTIONS)
        start = stage.name if self.options.further else stage.start
        if start is not None:
            self._start_from(plain, start)
        student = BranchedStudent(plain, self.dtype).to(self.device)
        phases = self.objectives(stage, student)
        left = self.begin + self.options.seconds - time.monotonic() - sum(PREPARATION[other.kind] for other in after)
        seconds = max(SHORTEST, left * stage.weight / sum(other.weight for other in [stage, *after]))
        self.say(f"{stage.name}: begins, {seconds:.0f} s")
        done = train_student(student, phases, seconds, stage.rate)
        self.students[stage.name] = student.folded()
        means = [float(np.mean(part)) for part in np.array_split(done.losses, min(10, len(done.losses)))]
        pixels, speed = done.steps * stage.batch * stage.patch**2, done.steps / done.seconds
        self.say(
            f"{stage.name}: {done.steps} steps, {speed:.1f} steps/s, {pixels / 1e9:.2f} G input pixels, "
            f"{done.restarts} restarts, losses {' '.join(f'{mean:.5f}' for mean in means)}"
        )
        self.log[stage.name] = {
            **self.before(start, stage.name),
            "start": start,
            "kind": stage.kind,
            "steps": done.steps,
            "seconds": round(done.seconds, 1),
            "batch": stage.batch,
            "patch": stage.patch,
            "left_out": self.options.leave_out,
            "rate": stage.rate,
            "terms": None if stage.terms is None else asdict(stage.terms),
            "losses": means,
        }
        plain.load_state_dict(self.students[stage.name])
        save_model(plain, config_of(stage), self.options.out / f"{stage.name}.safetensors", {})
        (self.options.out / LOG).write_text(json.dumps(self.log, indent=2) + "\n")

    def objectives(self, stage: Stage, student: nn.Module) -> list[tuple[float, Objective]]:
        """What the stage minimises, and until which fraction of its time."""
        if stage.terms is not None:
            if stage.kind == "photo":
                pools = self.images.photo(stage.scale, self.pairs[stage.scale])
            else:
                pools = self.images.clean(stage.scale)
            pools = _as_many(pools, stage)
            self.say(f"{stage.name}: {sum(len(pool.low) for pool in pools)} images and their targets")
            return [(1.0, self.perceptual(stage, stage.terms, student, pools))]
        pools = _as_many(self.images.fidelity(stage.scale), stage)
        self.say(f"{stage.name}: {sum(len(pool.low) for pool in pools)} images and their answers")
        return [(0.7, partial(_taught, stage, student, pools, 1)), (1.0, partial(_taught, stage, student, pools, 2))]

    def perceptual(self, stage: Stage, terms: Terms, student: nn.Module, pools: list[Pool]) -> Objective:
        """Pixels, what networks compare, what a critic says, and how even the phases of the pixel shuffle are."""
        weights: Path = self.options.weights
        lpips = LPIPSLoss("squeeze", weights=weights / paths.NETWORKS["lpips"]).to(self.device)
        vgg = VGGFeatureLoss(LAYERS, weights=weights / paths.NETWORKS["perceptual"]).to(self.device)
        for convolution in vgg.features.convolutions.values():  # reflection would take longer than the convolutions
            assert isinstance(convolution, nn.Conv2d)
            convolution.padding_mode = "zeros"
        steps = torch.arange(stage.patch * stage.scale - SHIFT, device=self.device)
        own = round(terms.originals * COMPARED)
        phase = phase_evenness if stage.kind == "photo" else phase_balance
        adversary = Adversary(self.device, self.dtype) if terms.adversarial else None

        def objective() -> Tensor:
            low, (target, *originals) = sample(pools, _flat(stage), stage.patch, stage.scale, GREY)
            made = student(low)
            some = torch.rand(len(low), device=self.device).argsort()[:COMPARED]
            row, column = (steps + torch.randint(SHIFT + 1, (1,), device=self.device) for _ in range(2))
            first, second, *real = (
                each.index_select(0, some).index_select(2, row).index_select(3, column)
                for each in (made, target, *originals)
            )
            against = real[0] if real else second
            if real:
                second = torch.cat([real[0][:own], second[own:]])
            judged = terms.adversarial * adversary.term(first, against) if adversary else 0.0
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                compared = terms.lpips * lpips(first, second) + terms.features * vgg(first, second)
            again = F.interpolate(made, low.shape[2:], mode="bicubic", antialias=True)
            return (
                terms.pixel * F.l1_loss(made, target)
                + compared
                + judged
                + terms.phase_bias * phase_bias(made, target, stage.scale)
                + terms.phase * phase(made, target, stage.scale)
                + terms.consistency * F.l1_loss(again, low)
            )

        return objective

    def before(self, start: str | None, name: str) -> dict[str, object]:
        """How the model was trained that goes on, where the folder that it comes from has a log."""
        log = self.options.start / LOG
        if start != name or not log.is_file():
            return {}
        return {"before": json.loads(log.read_text(encoding="utf-8")).get(name)}

    def _start_from(self, plain: ResidualSR, start: str) -> None:
        """Weights of that name, trained here or below `--start`; of another scale all but the tail."""
        if start in self.failed:
            raise ValueError(f"it starts from {start}, which failed")
        state = self.students.get(start)
        if state is None:
            state = load_file(self.options.start / f"{start}.safetensors")
        own = plain.state_dict()
        fitting = {name: value for name, value in state.items() if name in own and value.shape == own[name].shape}
        plain.load_state_dict(own | fitting)


def _as_many(pools: list[Pool], stage: Stage) -> list[Pool]:
    """The pools, with as many crops as the stage's batch asks for."""
    return [replace(pool, crops=pool.crops * stage.batch // BATCH) for pool in pools]


def _flat(stage: Stage) -> int:
    return FLAT * stage.batch // BATCH


def _taught(stage: Stage, student: nn.Module, pools: list[Pool], power: int) -> Tensor:
    """Distances to the originals and, with more weight, to the teacher's answers: absolute, then squared."""
    low, (real, answer) = sample(pools, _flat(stage), stage.patch, stage.scale, 0.0)
    made = student(low)
    if power == 1:
        return (F.l1_loss(made, real) + 2 * F.l1_loss(made, answer)) / 3
    return 10 * (F.mse_loss(made, real) + 3 * F.mse_loss(made, answer)) / 4


def main() -> int:
    """Train what is asked for, until the time is up; 1 if a stage failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="packed .zip of training images")
    parser.add_argument("--weights", type=Path, required=True, help="folder of teachers and comparing networks")
    parser.add_argument("--start", type=Path, default=Path("pretrained"), help="folder of models to start from")
    parser.add_argument("--work", type=Path, required=True, help="where unpacked and degraded images are kept")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="in all, the preparation included")
    parser.add_argument("--stages", nargs="*", default=[], choices=[stage.name for stage in STAGES])
    parser.add_argument("--further", action="store_true", help="each starts from the model of its own name")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="FOLDER", help="of the packed images")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=0, help="processes that degrade images; 0 for one per core")
    parser.add_argument("--dry-run", action="store_true", help="a few images, one look of each teacher")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.work.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    trainer = Trainer(options)
    trainer.run()
    return 1 if trainer.failed else 0


if __name__ == "__main__":
    sys.exit(main())
