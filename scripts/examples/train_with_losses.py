"""The losses in a plain PyTorch loop, with nothing of srgan_kit: a tiny network learns to enlarge a photograph twofold.

    python -m scripts.examples.train_with_losses

Takes some ten seconds on two cores; prints PSNR against upscaling bilinearly, on a part of the photograph that training
has not seen.
"""

import argparse

import torch
from skimage import data
from torch import Tensor, nn
from torch.nn import functional as F

from losses import CharbonnierLoss, FocalFrequencyLoss, SSIMLoss, mse

SIDE = 48


class TwiceAsLarge(nn.Module):
    """A residual on the bilinear upscaling."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(image, scale_factor=2, mode="bilinear") + self.residual(image)


def halve(image: Tensor) -> Tensor:
    return F.interpolate(image, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1)


def random_crops(photograph: Tensor, count: int) -> Tensor:
    rows = torch.randint(photograph.shape[1] - SIDE + 1, (count,)).tolist()
    columns = torch.randint(photograph.shape[2] - SIDE + 1, (count,)).tolist()
    return torch.stack([photograph[:, r : r + SIDE, c : c + SIDE] for r, c in zip(rows, columns, strict=True)])


def psnr(image: Tensor, target: Tensor) -> float:
    return -10 * mse(image.clamp(0, 1), target).log10().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500, help="optimisation steps (default 500)")
    steps = parser.parse_args().steps

    torch.manual_seed(0)
    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
    seen, unseen = photograph[:, :, :320], photograph[None, :, :, 320:]
    network = TwiceAsLarge()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    pixel, structure, frequency = CharbonnierLoss(), SSIMLoss(), FocalFrequencyLoss()
    for step in range(1, steps + 1):
        real = random_crops(seen, 8)
        fake = network(halve(real))
        terms = {
            "pixel": pixel(fake, real),
            "structure": 0.1 * structure(fake, real),
            "frequency": frequency(fake, real),
        }
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == steps:
            print(f"step {step}  " + "  ".join(f"{name} {term.item():.4f}" for name, term in terms.items()))
    with torch.no_grad():
        small = halve(unseen)
        bilinear, ours = F.interpolate(small, scale_factor=2, mode="bilinear"), network(small)
    print(f"unseen part: bilinear {psnr(bilinear, unseen):.2f} dB, network {psnr(ours, unseen):.2f} dB")


if __name__ == "__main__":
    main()
