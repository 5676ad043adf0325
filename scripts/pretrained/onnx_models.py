"""Write each pretrained super-resolver as an ONNX file beside its weights, for `srgan-kit upscale --engine onnx`.

    python -m scripts.pretrained.onnx_models [NAME...]

The file holds the graph; its weights stay where they are, in the safetensors file, whose hash it names. Written anew
whenever the weights are; `tests/srgan_kit/upscaling/test_onnx_engine.py` fails where that was forgotten.
"""

import argparse
import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from srgan_kit.atomic import atomic_write
from srgan_kit.models.onnx_export import header_of, translated
from srgan_kit.models.pretrained import pretrained_upscalers
from srgan_kit.models.super_resolution import load_model

LARGEST_INSIDE = 1024
"""Bytes up to which a tensor stays in the graph."""


def write_onnx(name: str, weights: Path) -> tuple[Path, float]:
    """Write the file of a model; its path, and the largest difference of its outputs from the network's."""
    import onnx

    model = load_model(weights)
    difference, proto = translated(model)
    content = weights.read_bytes()
    header = dataclasses.replace(header_of(model), weights=f"{weights.name} {hashlib.sha256(content).hexdigest()}")
    onnx.helper.set_model_props(proto, header.as_metadata())
    refer_to(proto, weights.name, content)
    path = weights.with_suffix(".onnx")
    with atomic_write(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())
    return path, difference


def refer_to(proto: Any, name: str, content: bytes) -> None:
    """Let the graph's tensors be those of a safetensors file beside it, found by their bytes.

    Raises:
        ValueError: a large tensor is not in it.
    """
    import onnx
    from onnx.external_data_helper import set_external_data

    start = 8 + int.from_bytes(content[:8], "little")
    entries = json.loads(content[8:start])
    places = {
        content[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]]: start + entry["data_offsets"][0]
        for key, entry in entries.items()
        if key != "__metadata__"
    }
    for tensor in proto.graph.initializer:
        raw = onnx.numpy_helper.to_array(tensor).tobytes()
        if raw in places:
            tensor.raw_data = raw
            set_external_data(tensor, location=name, offset=places[raw], length=len(raw))
            tensor.ClearField("raw_data")
        elif len(raw) > LARGEST_INSIDE:
            raise ValueError(f"{name} has no tensor {tensor.name} of {len(raw)} bytes")


def main() -> None:
    """Write the files and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pretrained models (default: all super-resolvers)")
    pretrained = pretrained_upscalers()
    for name in parser.parse_args().names or pretrained:
        path, difference = write_onnx(name, pretrained[name])
        print(f"{os.path.relpath(path)}: {path.stat().st_size:,} bytes, within {difference:.1e} of the network")


if __name__ == "__main__":
    main()
