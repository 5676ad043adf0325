"""Where scripts read and write: folders of the checkout, and the data folder."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRETRAINED = ROOT / "pretrained"
DOCS = ROOT / "docs"
RESULTS = DOCS / "results"
"""Measured numbers, as JSON."""
GUIDE = DOCS / "guide"
"""Pages for users."""
STUDIES = DOCS / "studies"
"""Pages of the experiments."""
SYSTEMS = DOCS / "systems"
"""Pages of the generative systems."""
IMAGES = DOCS / "images"
"""Figures of all pages."""
NETWORKS = {"perceptual": "vgg_normalised_conv3_1.pth", "lpips": "squeezenet1_1_onnxzoo_tvkeys.pth"}
"""Files in the data folder's weights/ of the networks that terms compare with."""


def optional_data_folder() -> Path | None:
    """The folder that the environment variable SRGAN_KIT_DATA names, if it is set."""
    folder = os.environ.get("SRGAN_KIT_DATA")
    return Path(folder) if folder else None


def data_folder(holds: str) -> Path:
    """The folder that SRGAN_KIT_DATA names; the script ends with a message where it is not set.

    Args:
        holds: what the script looks for there, for the message.
    """
    folder = optional_data_folder()
    if folder is None:
        sys.exit(f"error: SRGAN_KIT_DATA is not set: it names the folder of {holds}")
    return folder
