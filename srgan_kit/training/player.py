"""A network with its optimiser, and how a step changes it. Only this file calls `backward`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.recipes.sections import OptimizerConfig
from srgan_kit.training.schedule import learning_rate
from srgan_kit.training.shares import Norms

TINY = 1e-6
"""What torch adds to a gradient's norm before it clips by it."""


class Diverged(UserError):
    """A term became NaN or infinite; the last good checkpoint is kept."""

    exit_status = 1


class Player:
    """The generator or the critic.

    Gradients are averaged over the processes here and not by a wrapper around the network, because some terms train
    one part of a network only and some are differentiated twice.

    Args:
        name: "generator" or "critic".
        network: its network.
        parts: its parameters by part, for terms that train one part only; together all of them.
        config: its optimiser's settings.
        accelerator: the run's.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        parts: Mapping[str, list[nn.Parameter]],
        config: OptimizerConfig,
        accelerator: Accelerator,
    ) -> None:
        self.name, self.config, self.accelerator = name, config, accelerator
        self.network = network.to(accelerator.device, memory_format=torch.channels_last)  # pyright: ignore
        self.parts = {part: parameters for part, parameters in parts.items() if parameters}
        self.parameters = list(self.network.parameters())
        fused = accelerator.device.type == "cpu"  # small networks spend much of a step in the optimiser otherwise
        adam = torch.optim.Adam(self.parameters, lr=config.learning_rate, betas=config.betas, fused=fused)
        # What accelerate wraps around optimiser, backward and clipping is for fp16's scaler; it takes a millisecond.
        self.optimizer = accelerator.prepare(adam) if accelerator.scaler is not None else adam

    @property
    def learning_rate(self) -> float:
        """The learning rate in the last step."""
        return self.optimizer.param_groups[0]["lr"]

    def requires_grad_(self, wanted: bool) -> None:
        """Whether its parameters get gradients."""
        for parameter in self.parameters:
            parameter.requires_grad_(wanted)

    def minimise(
        self,
        terms: Mapping[str, Tensor],
        weights: Mapping[str, float],
        routes: Mapping[str, str],
        paused: frozenset[str],
        step: int,
        steps: int,
    ) -> dict[str, float]:
        """One optimisation step on the weighted sum; the terms and the gradient norm, as numbers to log.

        Args:
            terms: scalars by name.
            weights: a weight for each.
            routes: terms that train one part only.
            paused: parts that do not learn in this step.
            step: counted from 0.
            steps: of the whole run.

        Raises:
            Diverged: a term or the gradient is not finite; the weights are untouched.
        """
        self.begin(step, steps)
        values = self.add(terms, weights, routes, step)
        return values | self.update(paused, step)

    def begin(self, step: int, steps: int) -> None:
        """Begin step `step`, counted from 0, of `steps`: the learning rate, and no gradient."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step, steps)
        for parameter in self.parameters:  # what `zero_grad` does, without its record for the profiler
            parameter.grad = None

    def add(
        self,
        terms: Mapping[str, Tensor],
        weights: Mapping[str, float],
        routes: Mapping[str, str],
        step: int,
        parts: int = 1,
    ) -> dict[str, float]:
        """Add the gradient of the weighted sum, of a batch or of one of its `parts`; the terms as numbers.

        Raises:
            Diverged: a term is not finite.
        """
        values = self.finite(terms, step)
        self._backward({name: _weighted(term.float(), weights[name] / parts) for name, term in terms.items()}, routes)
        return values

    def update(self, paused: frozenset[str], step: int) -> dict[str, float]:
        """Change the weights by the gradient, but for those of paused parts; its norm, to log.

        Raises:
            Diverged: the gradient is not finite; the weights are untouched.
        """
        self._average_gradients()
        for part in paused & self.parts.keys():
            for parameter in self.parts[part]:
                parameter.grad = None
        gradient = self._clip()
        if not math.isfinite(gradient) and self.accelerator.scaler is None:  # fp16's scaler skips such steps itself
            raise Diverged(f"step {step + 1}: the {self.name}'s gradient is {gradient}; the run has stopped")
        if any(parameter.grad is not None for parameter in self.parameters):  # fp16's scaler needs one
            self.optimizer.step()
        return {f"{self.name}_gradient": gradient}

    def gradient_norms(
        self, terms: Mapping[str, Tensor], weights: Mapping[str, float], routes: Mapping[str, str]
    ) -> Norms:
        """Norm of each weighted term's gradient, over all processes' images, in each part that it trains."""
        norms: Norms = {}
        for name, term in terms.items():
            parts = {part: self.parts[part] for part in self.parts if routes.get(name, part) == part}
            parameters = [parameter for own in parts.values() for parameter in own]
            weighted = weights[name] * term.float()
            own_gradients = (
                torch.autograd.grad(weighted, parameters, retain_graph=True, allow_unused=True)
                if term.requires_grad
                else [None] * len(parameters)
            )
            gradients = iter(self._mean_over_processes(own_gradients, parameters))
            squares = {part: sum(_square(next(gradients)) for _ in own) for part, own in parts.items()}
            norms[name] = {part: math.sqrt(square) for part, square in squares.items()}
        return norms

    def finite(self, terms: Mapping[str, Tensor], step: int) -> dict[str, float]:
        """The terms as numbers.

        Raises:
            Diverged: one is NaN or infinite.
        """
        values = {name: float(term.detach()) for name, term in terms.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise Diverged(f"step {step + 1}: the {self.name}'s term {name!r} is {value}; the run has stopped")
        return values

    def state(self) -> dict[str, Any]:
        """The tensors and numbers that a checkpoint must hold."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _backward(self, weighted: Mapping[str, Tensor], routes: Mapping[str, str]) -> None:
        backward = Tensor.backward if self.accelerator.scaler is None else self.accelerator.backward
        if not routes:
            backward(torch.stack(list(weighted.values())).sum())
            return
        for part, parameters in self.parts.items():
            own = [term for name, term in weighted.items() if routes.get(name, part) == part and term.requires_grad]
            if own:
                backward(torch.stack(own).sum(), inputs=parameters, retain_graph=True)

    def _clip(self) -> float:
        """Scale the gradients down to the largest norm allowed; their norm before."""
        parameters, largest = self.parameters, self.config.clip_gradient
        if self.accelerator.scaler is not None:  # accelerate's own clipping unscales the other player too
            self.accelerator.unscale_gradients(self.optimizer)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if not gradients:
            return 0.0
        norms = torch._foreach_norm(gradients)  # as get_total_norm, of one device  # pyright: ignore[reportPrivateImportUsage]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        value = float(norm)
        if math.isinf(value) and norm.device.type != "mps":  # which has no float64, in which their squares are finite
            norm = torch.stack([torch.linalg.vector_norm(each, dtype=torch.float64) for each in gradients]).norm()
            value = float(norm)
        if not value + TINY <= largest:  # else torch would multiply all gradients by 1
            nn.utils.clip_grads_with_norm_(parameters, largest, norm)
        return value

    def _average_gradients(self) -> None:
        if self.accelerator.num_processes == 1:
            return
        gradients = self._mean_over_processes([parameter.grad for parameter in self.parameters], self.parameters)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient

    def _mean_over_processes(
        self, gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """Each parameter's gradient, averaged over the processes; in all but the first case none is None."""
        if self.accelerator.num_processes == 1 or not gradients:
            return list(gradients)
        # In the parameters' own memory layout, which the fused optimiser takes for granted.
        own = [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True)]
        mean = self.accelerator.reduce(torch.cat([g.reshape(-1) for g in own]), "mean")
        assert isinstance(mean, Tensor)
        parts = mean.split([g.numel() for g in own])
        return [g.copy_(part.view(g.shape)) for g, part in zip(own, parts, strict=True)]


def _weighted(term: Tensor, weight: float) -> Tensor:
    """The term times its weight; a factor of 1 is left out, with its place in the backward pass."""
    return term if weight == 1 else weight * term


def _square(gradient: Tensor | None) -> float:
    """A gradient's squared norm; 0 where there is none."""
    return 0.0 if gradient is None else float(gradient.detach().float().square().sum())
