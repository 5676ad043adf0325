"""Write Real-ESRGAN x4plus with the keys of `RRDBNet`, in fp16: the photo models' teacher on an accelerator.

    python -m scripts.pretrained.teachers.realesrgan_x4plus x4plus_fp16.safetensors [--model realesrgan-x4plus]

The model is that of the extra `realesrgan`, or an ncnn file of the same network. Its convolutions come in the same
order. Kernels are exact in fp16, biases are rounded.
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.rrdb import RRDBNet
from srgan_kit.models.super_resolution import load_model


def write(model: str, target: Path) -> None:
    """Write the weights.

    Raises:
        UserError: no such model, or one of another network.
    """
    given = list(load_model(model).network.state_dict().values())
    wanted = RRDBNet(4).state_dict()
    if [value.shape for value in given] != [value.shape for value in wanted.values()]:
        raise UserError(f"model {model}: expected the convolutions of an RRDBNet with 23 blocks")
    weights = {name: value.to(torch.float16).contiguous() for name, value in zip(wanted, given, strict=True)}
    with atomic_write(target) as temporary:
        save_file(weights, temporary)


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--model", default="realesrgan-x4plus")
    options = parser.parse_args()
    try:
        write(options.model, options.target)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
