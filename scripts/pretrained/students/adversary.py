"""A critic that learns beside a student, so that what the student draws looks like its targets."""

import torch
from torch import Tensor

from srgan_kit.critics.patchgan import PatchGANCritic
from srgan_kit.layers.spectral_norm import with_spectral_norm
from srgan_kit.losses import NonSaturating

RATE = 2e-4
"""The critic's learning rate."""


class Adversary:
    """A PatchGAN critic with spectral norm, which takes a step whenever its opinion is asked for.

    The operations are the same every time, so that a graph of them can be captured.

    Args:
        device: where it learns.
        channels: width of its first layer.
    """

    def __init__(self, device: torch.device, channels: int = 64) -> None:
        critic = PatchGANCritic(channels, scales=1, layers=3, normalisation="none")
        self.critic = with_spectral_norm(critic).to(device)
        self.game = NonSaturating()
        options = {"fused": True, "capturable": True} if device.type == "cuda" else {}
        self.optimizer = torch.optim.Adam(self.critic.parameters(), RATE, (0.5, 0.99), **options)

    def term(self, made: Tensor, target: Tensor) -> Tensor:
        """Let the critic learn from both, (N, 3, H, W); then how unlike targets it finds what was made, a scalar."""
        self.critic.requires_grad_(True)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            self.game.critic_loss(self._score(target), self._score(made.detach())).backward()
        self.optimizer.step()
        self.critic.requires_grad_(False)
        return self.game.generator_loss(self._score(made))

    def _score(self, image: Tensor) -> Tensor:
        return self.critic(image).score.float()
