"""The way from the command to the optimiser's step is short enough to be read."""

import sys
from pathlib import Path

import pytest
import torch
import typer

import srgan_kit
from srgan_kit.cli.train import train

PACKAGE = Path(srgan_kit.__file__).parent
SETTINGS = ["steps=2", "data.batch=2", "data.patch=8", "device=cpu", "precision=fp32", "validation.holdout=0"]


def frames_of_the_package() -> list[str]:
    """The functions of srgan_kit that are running now, the innermost first."""
    frame, found = sys._getframe(), []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            found.append(f"{path.relative_to(PACKAGE).as_posix()}: {frame.f_code.co_name}")
        frame = frame.f_back
    return found


def test_the_command_reaches_the_optimisers_step_in_five_frames(
    two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks: list[list[str]] = []
    step = torch.optim.Adam.step

    def noted(optimizer: torch.optim.Adam, *arguments, **named):
        stacks.append(frames_of_the_package())
        return step(optimizer, *arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    settings = [*SETTINGS, "variant=gan", "critic={name='dcgan', channels=4}", "critic_steps=2"]
    with pytest.raises(typer.Exit) as ended:
        train("smoke", data=two_classes, output=tmp_path / "run", settings=settings)
    assert ended.value.exit_code == 0
    assert len(stacks) == 2 * (2 + 1)  # in each step the critic learns twice and the generator once
    assert all(stack[-1] == "cli/train.py: train" for stack in stacks)
    assert max(map(len, stacks)) <= 5, stacks
