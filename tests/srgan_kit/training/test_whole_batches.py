"""A batch in two processes, or in parts one after the other, trains as the whole batch does in one.

The processes run this file: each takes the steps of every case with half a batch, and writes what it logged.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from srgan_kit.errors import UserError
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.batches import step_batches
from srgan_kit.training.dry_run import dry_run
from srgan_kit.training.run import Run
from srgan_kit.variants import VARIANTS

STEPS = 3
TASKS = ("unconditional", "super-resolution", "reconstruction")
CASES: dict[str, tuple[str, str, list[str]]] = {
    variant: (TASKS[number % len(TASKS)], variant, []) for number, variant in enumerate(VARIANTS)
} | {
    "two critic steps": ("unconditional", "gan", ["critic_steps=2"]),
    "a batch of the generator's own": ("unconditional", "gan", ["generator_batch=own"]),
    "noise and shifts": ("unconditional", "gan", ["techniques.instance_noise=0.1", "techniques.translation=2"]),
    "penalties": (
        "unconditional",
        "gan",
        ["critic_weights.r1=1", "critic_weights.gradient_penalty=10", "techniques.r1_every=2"],
    ),
    "feature matching": ("unconditional", "gan", ["weights.feature_matching=1"]),
    "virtual batch norm": ("unconditional", "gan", ["techniques.virtual_batch_norm=true"]),
    "minibatch discrimination": ("unconditional", "gan", ["critic.minibatch_kernels=5"]),
    "relativistic averages": ("unconditional", "gan", ["variant.objective=relativistic-average"]),
    "relativistic pairs with both penalties": (
        "unconditional",
        "gan",
        ["variant.objective=relativistic-pairs", "critic_weights.r1=1", "critic_weights.r2=1"],
    ),
    "distances of batches": (
        "unconditional",
        "none",
        ["weights.moment_matching=1", "weights.maximum_mean_discrepancy=1"],
    ),
    "the average as a judge of artifacts": (
        "super-resolution",
        "none",
        ["weights.pixel=1", "weights.local_discriminative=1", "weights.ssim=0.1"],
    ),
    "a share of the gradient": (
        "super-resolution",
        "gan",
        ["weights.pixel=1", "weights.adversarial=share:0.2", "share_every=1"],
    ),
    "labelled batches": ("unconditional", "improved-gan", ["labels.count=4"]),
    "dense critics with noise and dropout": (
        "unconditional",
        "gan",
        ["critic={name='mlp', hidden=[8, 8], noise=0.3, input_noise=0.2, dropout=0.2}"],
    ),
    "dense layers with weight norm": (
        "unconditional",
        "gan",
        ["critic={name='mlp', hidden=[8, 8], noise=0.3, normalisation='weight'}"],
    ),
    "several draws of the posterior": ("reconstruction", "vae", ["variant.samples=3"]),
    "distillation": (
        "super-resolution",
        "none",
        ["weights.pixel=1", "weights.distillation=1", "distillation.teachers=['x4-fidelity-fast']"],
    ),
    "a critic that sees parts of images": (
        "super-resolution",
        "gan",
        ["critic={name='unet', channels=4}", "techniques.crop=8", "techniques.translation=1", "critic_weights.r1=1"],
    ),
    "parts of images in the perceptual loss": (
        "super-resolution",
        "none",
        ["weights.perceptual=1", "perceptual.layers={conv1_1=1.0}", "perceptual.crop=8"],
    ),
    "random shifts of the perceptual loss": (
        "super-resolution",
        "none",
        ["weights.perceptual=1", "perceptual.layers={conv1_1=1.0}", "perceptual.translation=2"],
    ),
}


def steps(recipe: Recipe, folder: Path) -> list[dict[str, float]]:
    """What each step logs, and the mean of what the generator's average makes at the end."""
    accelerator = Accelerator(cpu=True)
    run = Run(recipe, folder, accelerator, build_task(recipe, accelerator.device, folder))
    dry_run(run)
    logged: list[dict[str, float]] = []
    for (*earlier, batch), _ in zip(step_batches(run), range(STEPS), strict=False):
        logged.append(run.train_step(batch, detailed=True, earlier=earlier))
    return logged


def recipe_of(case: str, tiny, part: float = 1) -> Recipe:
    """The recipe of a case, or the one of a part of its batch."""
    task, variant, settings = CASES[case]
    batches = [f"data.batch={round(4 * part)}"]
    batches += [f"labels.batch={round(2 * part)}"] if case == "labelled batches" else []
    return tiny.recipe(task, variant, f"steps={STEPS}", *settings, *batches)


def assert_alike(one: list[dict[str, float]], other: list[dict[str, float]]) -> None:
    assert len(one) == len(other) == STEPS
    for first, second in zip(one, other, strict=True):
        assert first.keys() == second.keys()
        for name, value in first.items():
            assert second[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


@pytest.fixture(scope="module")
def two_processes(tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, float]]]:
    """What the first of two processes logged, by case."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    own = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen(
            [sys.executable, __file__, str(tiny.root), str(folder)],
            env=os.environ | own | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    try:
        assert [child.wait(timeout=300) for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()
    return json.loads((folder / "logged.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_as_one_with_the_whole_batch(case: str, tiny, two_processes, tmp_path: Path) -> None:
    assert_alike(steps(recipe_of(case, tiny), tmp_path), two_processes[case])


DENSE = [
    "task=unconditional",
    "generator={name='mlp', hidden=8, normalisation='none'}",
    "encoder={layout='dense', hidden=8, channels=4}",
]
ADDED_UP: dict[str, list[str]] = {
    "none": ["weights.pixel=1", "weights.local_discriminative=1"],
    "gan": ["critic_steps=2", "techniques.instance_noise=0.1", "critic_weights.r1=1"],
    "f-gan": ["generator_batch=own"],
    "infogan": ["critic={name='mlp', hidden=[8, 8], noise=0.3, dropout=0.2}"],
    "vae": ["variant.samples=2", *DENSE],
    "vae-gan": ["techniques.translation=1", *DENSE],
    "deepsim": ["weights.distillation=1", "distillation.teachers=['x4-fidelity-fast']"],
    "srgan": ["critic_weights.gradient_penalty=10"],
    "pixelrnn": [],
}
"""Settings beside each variant whose terms add up over the parts of a batch."""


@pytest.mark.parametrize("variant", ADDED_UP)
def test_parts_one_after_the_other_train_as_the_whole_batch(variant: str, tiny, tmp_path: Path) -> None:
    settings = [f"steps={STEPS}", "techniques.critic_norm=none", *ADDED_UP[variant]]
    whole = steps(tiny.recipe("super-resolution", variant, *settings), tmp_path)
    parts = steps(tiny.recipe("super-resolution", variant, *settings, "data.batch=1", "data.accumulate=4"), tmp_path)
    shares = [{name for name in each if name.startswith("share/")} for each in parts]  # of the first part alone
    for each, names in zip([*whole, *parts], [*shares, *shares], strict=True):
        for name in names:
            del each[name]
    assert_alike(whole, parts)


@pytest.mark.parametrize(
    ("task", "variant", "settings", "reason"),
    [
        ("unconditional", "none", [], "the generator's batch norm takes statistics of the whole batch"),
        ("super-resolution", "gan", [], "the critic's batch norm .* techniques.critic_norm to 'layer' or 'none'"),
        ("super-resolution", "catgan", ["techniques.critic_norm=layer"], "marginal_entropy takes statistics"),
        ("super-resolution", "improved-gan", ["techniques.critic_norm=layer"], "labelled_cross_entropy takes"),
        (
            "super-resolution",
            "gan",
            ["techniques.critic_norm=layer", "critic.minibatch_kernels=2"],
            "minibatch_similarity takes statistics of the whole batch, .* here; set data.accumulate to 1",
        ),
        (
            "super-resolution",
            "gan",
            ["techniques.critic_norm=layer", "weights.pixel=1", "weights.adversarial=share:0.2"],
            "weights.adversarial is a share",
        ),
    ],
)
def test_what_takes_statistics_of_a_batch_is_refused_in_parts(
    task: str, variant: str, settings: list[str], reason: str, tiny, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=reason):
        steps(tiny.recipe(task, variant, *settings, "data.accumulate=2"), tmp_path)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
    from tiny_runs import TinyRuns

    root, folder = map(Path, sys.argv[1:])
    tiny = TinyRuns(root)
    logged = {case: steps(recipe_of(case, tiny, 0.5), folder) for case in CASES}
    if os.environ["RANK"] == "0":
        (folder / "logged.json").write_text(json.dumps(logged))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
