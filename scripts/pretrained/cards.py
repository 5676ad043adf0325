"""Model cards of super-resolvers: a table, what the model is for, and its terms."""

import json
from collections.abc import Mapping

from scripts.lib.pages import wrapped
from srgan_kit.generators.super_resolution.settings import SRSettings

COMPARING = {
    "perceptual": "VGG19 trained on ImageNet, activations normalised (deep-transfer, Apache-2.0)",
    "lpips": "SqueezeNet 1.1 trained on ImageNet (ONNX model zoo, Apache-2.0), heads of lpips 0.1 (BSD-2-Clause)",
}
"""Networks that the generator's terms compare with, and the terms under which they are to be had."""
LICENCE = "Apache-2.0"
PURPOSE = {
    "fidelity": """\
It restores what bicubic reduction took away and adds no
invented texture: the choice where fidelity counts. On images that were compressed, blurred or noisy it upscales those
flaws too.""",
    "perceptual": """\
It draws texture that looks like the original's
and need not be the original's: for images to look at, not to measure in. Flaws of the input are upscaled too.""",
    "photo": """\
It is made for photographs as they are found: it
removes noise, blur and traces of compression while it upscales, and some fine texture with them.""",
}
"""By the second part of the name: what the model is for."""


def upscaler_card(name: str, settings: SRSettings, about: Mapping[str, str], terms: str, fails: str) -> str:
    """A super-resolver's card in Markdown; `scripts/pretrained/measure.py` adds what is measured.

    Args:
        name: of the model, which says what it is for.
        settings: of the exported network.
        about: further rows of the table: training, training data, networks that it learnt from.
        terms: under which the weights are.
        fails: where it fails.
    """
    parameters = sum(each.numel() for each in settings.build().parameters())
    rows = {
        "architecture": f"`{settings.name}` {json.dumps(settings.model_dump(exclude={'name'}))}",
        "parameters": f"{parameters:,}",
        "input and output": "RGB in [0, 1], any size",
        **about,
        "licence": f"{LICENCE}, see below",
    }
    table = "\n".join(f"| {title} | {text} |" for title, text in rows.items() if text)
    return f"""\
# {name}

Upscales photographs {settings.scale} times along each side. {PURPOSE[name.split("-")[1]]}

| | |
|---|---|
{table}

## Terms

{terms}

## Where it fails

{wrapped(fails)}
"""
