"""The loop that trains a student for a given time: on an accelerator each step is one captured graph."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, isfinite, pi

import torch
from torch import Tensor, nn

Objective = Callable[[], Tensor]
"""Draws a batch, runs the student, and gives the loss."""
EMA = 0.999
"""Weight of what was before in the average of the weights; at first less, so that short stages forget their start."""
LARGEST_GRADIENT = 1.0
WARMUP = 0.02
"""Fraction of the time in which the learning rate rises."""
CHECK_EVERY = 50
"""Steps between looks at the clock and at the loss."""


@dataclass
class Trained:
    """What a stage came to."""

    steps: int
    seconds: float
    losses: list[float]
    """Losses of the steps that were looked at."""
    restarts: int
    """How often a loss that was not finite sent it back to its last good state."""


def train_student(
    student: nn.Module, phases: Sequence[tuple[float, Objective]], seconds: float, rate: float
) -> Trained:
    """Train until the time is up; at the end the student has the average of its weights.

    The learning rate is a cosine of the time that has passed. Each phase ends at a fraction of it.

    Args:
        student: on its device.
        phases: where each ends, in [0, 1], and what it minimises.
        seconds: how long.
        rate: the largest learning rate of Adam.
    """
    device = next(student.parameters()).device
    parameters = [each for each in student.parameters() if each.requires_grad]
    captured = device.type == "cuda"
    options = {"fused": True, "capturable": True} if captured else {}
    optimizer = torch.optim.Adam(parameters, torch.tensor(rate, device=device), (0.9, 0.99), **options)
    average = [each.detach().clone() for each in parameters]
    share = torch.ones((), device=device)
    good = [each.detach().clone() for each in parameters]
    done = Trained(0, 0.0, [], 0)
    begin = time.monotonic()
    for end, objective in phases:

        def step(objective: Objective = objective) -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            loss = objective()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
            optimizer.step()
            with torch.no_grad():
                for own, mean in zip(parameters, average, strict=True):
                    mean.add_((own - mean) * share)  # a captured graph launches these at once
            return loss.detach()

        run = _graph_or_step(step) if captured else step
        while (passed := (time.monotonic() - begin) / seconds) < end:
            optimizer.param_groups[0]["lr"].fill_(_rate(passed, rate))
            share.fill_(max(1 - EMA, 10 / (10 + done.steps)))
            for _ in range(CHECK_EVERY if captured else 1):
                loss = run()
                done.steps += 1
            done.losses.append(float(loss))  # which waits for the device
            if isfinite(done.losses[-1]) and all(bool(each.isfinite().all()) for each in parameters):
                _copy(good, parameters)
            else:
                rate /= 2
                done.restarts += 1
                _copy(parameters, good)
                _copy(average, good)
                for state in optimizer.state.values():
                    for value in state.values():
                        value.zero_()
    _copy(parameters, average)
    done.seconds = time.monotonic() - begin
    return done


def _graph_or_step(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
    try:
        return _graph(step)
    except RuntimeError as error:
        print(f"no graph: {error}", flush=True)
        torch.cuda.synchronize()
        return step


def _graph(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The step as one launch; it is taken a few times first, as capturing needs."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(4):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()

    def run() -> Tensor:
        graph.replay()
        return loss

    return run


def _rate(passed: float, largest: float) -> float:
    rise = min(1.0, passed / WARMUP + 0.01)
    return largest * rise * max(1e-3, (1 + cos(pi * min(1.0, passed))) / 2)


@torch.no_grad()
def _copy(to: Sequence[Tensor], source: Sequence[Tensor]) -> None:
    for target, value in zip(to, source, strict=True):
        target.copy_(value)
