"""Train the small network that estimates how strong an image's artifacts are, for `-m auto`.

    SRGAN_KIT_DATA=... python -m scripts.pretrained.artifact_level [--steps N]

Training photographs are reduced, a part of them enlarged again, and compressed, also at another size, or made noisy, or
left alone. The network sees a square of the result and learns the logarithm of the root mean square of what was added,
in luma. The file is pretrained/evidence/artifact-level.safetensors; `srgan_kit/upscaling/artifacts.py` runs it without
PyTorch, and `scripts/experiments/model_choice.py` measures what it is good for.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.lib import paths
from scripts.lib.compression import through_jpeg
from scripts.lib.holdout import split
from scripts.lib.judged import HELD_OUT
from scripts.pretrained.students.degraded_pairs import FILTERS
from srgan_kit.atomic import atomic_write
from srgan_kit.data.image_folder import find_images
from srgan_kit.upscaling.artifacts import FILE, LEAST, MEAN, STRIDES, TINY
from srgan_kit.upscaling.evidence import LUMA

SOURCES = ("bsds", "cc0", "photos")
SIDE, WIDTHS = 64, (16, 16, 32, 32, 32, 32)
"""Of the squares; channels of the convolutions."""
STEPS, BATCH, RATE = 14_000, 32, 2e-3
FACTORS = (1.6, 4.2)
"""By which photographs are reduced, so that what their own files went through is gone."""
SOFT = 0.25
"""How many are enlarged afterwards, because what is soft has no artifacts."""
NEW, KEPT = 8, 20_000
"""Squares that are made for each step, and how many of the last ones batches are drawn from."""
KINDS = {"none": 0.25, "compressed, resized": 0.45, "compressed": 0.15, "noisy": 0.15}
"""What is done to an image, and how often."""
LOWEST, HIGHEST, FINE = 25, 98, 85
"""JPEG's quality, and the lowest of a second compression."""
NOISE = 12
"""The strongest noise, in levels."""


class ArtifactNetwork(nn.Module):
    """As `srgan_kit.upscaling.artifacts.artifact_level` has it, with batch norm that folds into the convolutions."""

    def __init__(self) -> None:
        super().__init__()
        before = (1, *WIDTHS[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, width, 3, stride)
            for channels, width, stride in zip(before, WIDTHS, STRIDES, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in WIDTHS)
        self.head = nn.Linear(2 * WIDTHS[-1], 1)

    def forward(self, light: Tensor) -> Tensor:
        """(N, H, W) levels -> (N,) logarithms to the base 2."""
        rim = MEAN // 2
        light = light[:, None]
        values = torch.asinh(light[:, :, rim:-rim, rim:-rim] - F.avg_pool2d(light, MEAN, 1))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            values = F.relu(norm(convolution(values)))
        flat = values.flatten(2)
        return self.head(torch.cat([flat.mean(2), flat.square().mean(2).add(TINY).sqrt()], dim=1))[:, 0]

    def folded(self) -> dict[str, Tensor]:
        """Its weights without batch norm, named as `artifact_level` reads them, in 16 bits."""
        found: dict[str, Tensor] = {}
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            plain = nn.utils.fuse_conv_bn_eval(convolution.eval(), norm.eval())  # pyright: ignore[reportArgumentType]
            found |= {f"{number}.weight": plain.weight, f"{number}.bias": plain.bias}
        found |= {"head.weight": self.head.weight[0], "head.bias": self.head.bias}
        return {name: value.detach().half().contiguous() for name, value in found.items()}


def square(image: Image.Image, random: np.random.Generator) -> tuple[np.ndarray, float]:
    """(SIDE, SIDE) levels of light of an image that was treated at random, and what is to be learnt of them."""
    factor = min(random.uniform(*FACTORS), min(image.size) / (SIDE + 8))
    low = _resized(image, 1 / factor, random)
    if random.random() < SOFT:
        low = _resized(low, random.uniform(1, 2), random)
    clean = made = low
    kind = random.choice(list(KINDS), p=list(KINDS.values()))
    if kind == "compressed, resized":
        other, back = _resized(low, random.uniform(0.5, 2.2), random), _filter(random)
        clean, made = (each.resize(low.size, back) for each in (other, _compressed(other, LOWEST, random)))
        if random.random() < 0.3:
            made = _compressed(made, FINE, random)
    elif kind == "compressed":
        made = _compressed(low, LOWEST, random)
    elif kind == "noisy":
        noise = random.normal(0, NOISE * random.random() ** 2, (low.height, low.width, 3))
        made = Image.fromarray((np.asarray(low) + noise).round().clip(0, 255).astype(np.uint8))
    top, left = int(random.integers(low.height - SIDE + 1)), int(random.integers(low.width - SIDE + 1))
    before, after = ((np.asarray(each) @ LUMA)[top : top + SIDE, left : left + SIDE] for each in (clean, made))
    level = float(np.sqrt(np.square(after - before).mean()))
    after = np.rot90(after, int(random.integers(4)))
    return (after[:, ::-1] if random.random() < 0.5 else after).astype(np.float32), np.log2(level + LEAST)


def _resized(image: Image.Image, factor: float, random: np.random.Generator) -> Image.Image:
    return image.resize((round(factor * image.width), round(factor * image.height)), _filter(random))


def _filter(random: np.random.Generator) -> Image.Resampling:
    return FILTERS[random.choice(len(FILTERS), p=(0.5, 0.2, 0.15, 0.15))]


def _compressed(image: Image.Image, lowest: int, random: np.random.Generator) -> Image.Image:
    return through_jpeg(image, int(random.integers(lowest, HIGHEST + 1)), ("4:2:0", "4:4:4")[int(random.integers(2))])


def train(images: list[Image.Image], steps: int) -> ArtifactNetwork:
    """The trained network."""
    torch.manual_seed(0)
    random, network = np.random.default_rng(0), ArtifactNetwork()
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(1 - step / steps, 0.005))
    kept = [square(images[random.integers(len(images))], random) for _ in range(10 * BATCH)]
    errors, begin = [], time.monotonic()
    for step in range(1, steps + 1):
        for new in [square(images[random.integers(len(images))], random) for _ in range(NEW)]:
            if len(kept) < KEPT:
                kept.append(new)
            else:
                kept[int(random.integers(KEPT))] = new
        batch = [kept[each] for each in random.integers(len(kept), size=BATCH)]
        light, wanted = (torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*batch, strict=True))
        error = network(light) - wanted
        optimizer.zero_grad()
        F.huber_loss(error, torch.zeros_like(error)).backward()
        optimizer.step()
        schedule.step()
        errors.append(float(error.detach().abs().mean()))
        if step % 500 == 0:
            print(f"step {step}: {np.mean(errors[-500:]):.3f}, {time.monotonic() - begin:.0f} s", flush=True)
    return network


def main() -> None:
    """Train, write the file and say how it was made in its header."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=paths.PRETRAINED / FILE)
    options = parser.parse_args()
    data = paths.data_folder("training images")
    files = [path for source in SOURCES for path in split(find_images(data / "sr_train" / source), HELD_OUT)[0]]
    network = train([Image.open(file).convert("RGB") for file in files], options.steps)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    how = {
        "format": "srgan-kit artifact level",
        "licence": "Apache-2.0",
        "training": json.dumps({"steps": options.steps}),
    }
    with atomic_write(options.out) as temporary:
        save_file(network.folded(), temporary, metadata=how)


if __name__ == "__main__":
    main()
