"""Write a "slim" SPAN checkpoint as a whole one, which spandrel and so the kit can load: a teacher for distillation.

    python -m scripts.pretrained.teachers.span team38_span_ch28_slim.pth teacher.safetensors

SPAN (Wan et al. 2023, arXiv:2311.12770) trains each 3x3 convolution as a sum of branches. A slim file has only the
sums, `*.eval_conv`, which the architecture in spandrel computes from the branches anew. So the branches are made up: in
the main one the 1x1 convolutions before and after pass the channels on, and the 3x3 one between is the sum; the other
is 0.
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.models.super_resolution import UpscalingModel, load_model, read_pickled

SUM = ".eval_conv.weight"
GAIN = 2
"""How many times wider a branch is than its convolution."""


def branches(weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """Weights of the branches whose sum is the 3x3 convolution (out, in, 3, 3) with that bias (out,)."""
    outputs, inputs = weight.shape[:2]
    before = torch.eye(GAIN * inputs, inputs)[:, :, None, None]
    after = torch.eye(outputs, GAIN * outputs)[:, :, None, None]
    middle = weight.new_zeros(GAIN * outputs, GAIN * inputs, 3, 3)
    middle[:outputs, :inputs] = weight
    return {
        "sk.weight": torch.zeros(outputs, inputs, 1, 1),
        "sk.bias": torch.zeros(outputs),
        "conv.0.weight": before,
        "conv.0.bias": torch.zeros(GAIN * inputs),
        "conv.1.weight": middle,
        "conv.1.bias": torch.zeros(GAIN * outputs),
        "conv.2.weight": after,
        "conv.2.bias": bias.clone(),
    }


def whole(slim: dict[str, Tensor]) -> dict[str, Tensor]:
    """The slim checkpoint with branches."""
    found = dict(slim)
    for name in [name.removesuffix(SUM) for name in slim if name.endswith(SUM)]:
        parts = branches(slim[name + SUM], slim[f"{name}.eval_conv.bias"])
        found |= {f"{name}.{part}": value for part, value in parts.items()}
    return found


def read_slim(path: Path) -> dict[str, Tensor]:
    """The tensors of a slim checkpoint.

    Raises:
        UserError: it is none.
    """
    found = read_pickled(path)
    if "block_1.c1_r" + SUM not in found:
        raise UserError(f"{path}: expected a slim SPAN checkpoint, with tensors named block_1.c1_r{SUM} and so on")
    return found


def write_whole(slim: Path, target: Path) -> UpscalingModel:
    """Write the slim checkpoint's whole one, and load it.

    Raises:
        UserError: the file is no slim checkpoint, or the other cannot be written.
    """
    tensors = {name: value.contiguous() for name, value in whole(read_slim(slim)).items()}
    try:
        with atomic_write(target) as temporary:
            save_file(tensors, temporary)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{target}: cannot be written ({error})") from None
    return load_model(target)


def main() -> None:
    """Write, and say what it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slim", type=Path)
    parser.add_argument("target", type=Path, help=".safetensors file to write")
    options = parser.parse_args()
    try:
        model = write_whole(options.slim, options.target)
    except UserError as error:
        sys.exit(f"error: {error}")
    print(f"{options.target}: {model.architecture}, x{model.scale}")


if __name__ == "__main__":
    main()
