"""What a checkpoint holds of a run, and how a run goes back to it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from srgan_kit.contracts import Updates
from srgan_kit.training.checkpoint import check_belongs

if TYPE_CHECKING:
    from srgan_kit.training.run import Run


def state_of(run: Run) -> dict[str, Any]:
    """The tensors and numbers to go on from."""
    scaler = run.accelerator.scaler
    return {
        "recipe": run.recipe.model_dump_json(),
        "fingerprint": run.fingerprint,
        "step": run.step,
        "steps": run.planned,
        "turn": asdict(run.updates),
        "generator": run.generator.state(),
        "average": run.average.network.state_dict(),
        "critic": run.critic.state() if run.critic else None,
        "critic_average": run.critic_average.network.state_dict() if run.critic_average else None,
        "techniques": run.techniques.state() if run.techniques else None,
        "scaler": scaler.state_dict() if scaler else None,
        "held": run.held.state(),
        "origin": run.origin,
    }


def take(run: Run, state: dict[str, Any]) -> None:
    """Go back to a checkpoint's state.

    Raises:
        UserError: it is of another recipe or of other images.
    """
    saved = check_belongs(state, run.folder, run.recipe, run.fingerprint)
    run.step = run.start = state["step"]
    run.planned = state.get("steps") if saved.steps == run.recipe.steps else None
    run.updates = Updates(**state["turn"])
    run.generator.restore(state["generator"])
    run.average.network.load_state_dict(state["average"])
    if "held" in state:  # checkpoints from before have no such weights
        run.held.restore(state["held"])
    run.origin = state.get("origin", {})  # nor this
    if run.critic is not None and run.techniques is not None:
        run.critic.restore(state["critic"])
        run.techniques.restore(state["techniques"])
    if run.critic_average is not None:
        run.critic_average.network.load_state_dict(state["critic_average"])
    if run.accelerator.scaler is not None and state["scaler"] is not None:
        run.accelerator.scaler.load_state_dict(state["scaler"])
