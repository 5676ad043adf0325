"""A critic that learns beside a student, within the student's own step, so that both fit into one captured graph."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from srgan_kit.critics.patchgan import PatchGANCritic
from srgan_kit.losses import NonSaturating

RATE = 2e-4
"""The learning rate of the critic's Adam."""
BETAS = (0.5, 0.99)
LARGEST_GRADIENT = 10.0


class Adversary:
    """One PatchGAN of 34x34 pixels with spectral norm, and its optimiser.

    Isola et al. 2017, arXiv:1611.07004, sec. 3.2.2; Miyato et al. 2018, arXiv:1802.05957.

    Args:
        device: where the student is.
        dtype: what its convolutions run in.
        channels: width of its first layer.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, channels: int = 64) -> None:
        self.device, self.dtype = device, dtype
        self.critic = PatchGANCritic(channels, scales=1, layers=2, normalisation="none").to(device)
        for module in list(self.critic.modules()):
            if isinstance(module, nn.Conv2d):
                nn.utils.parametrizations.spectral_norm(module)
        self.loss = NonSaturating()
        self.parameters = list(self.critic.parameters())
        options = {"fused": True, "capturable": True} if device.type == "cuda" else {}
        self.optimizer = torch.optim.Adam(self.parameters, torch.tensor(RATE, device=device), BETAS, **options)

    def term(self, made: Tensor, real: Tensor) -> Tensor:
        """A step of the critic, then the student's non-saturating loss: (N, 3, H, W) in [0, 1] twice -> scalar."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            self.loss.critic_loss(self._scores(real), self._scores(made.detach())).backward()
        for parameter in self.parameters:
            assert parameter.grad is not None
            parameter.grad.nan_to_num_(0, 0, 0)  # the student's loop goes back where it is not finite, the critic not
        nn.utils.clip_grad_norm_(self.parameters, LARGEST_GRADIENT)
        self.optimizer.step()
        self.critic.requires_grad_(False)
        loss = self.loss.generator_loss(self._scores(made))
        self.critic.requires_grad_(True)
        return loss

    def _scores(self, image: Tensor) -> Tensor:
        with parametrize.cached():
            for module in self.critic.modules():
                if parametrize.is_parametrized(module):
                    _ = module.weight  # its spectral norm, in fp32
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
                return self.critic(image).score.float()
