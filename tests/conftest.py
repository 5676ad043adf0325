"""What several test files need."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# A busy machine is not a failure, and the first example pays for imports.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real images and weights, named by SRGAN_KIT_DATA; tests that need it skip without it."""
    folder = os.environ.get("SRGAN_KIT_DATA")
    if not folder:
        pytest.skip("SRGAN_KIT_DATA is not set: it names the folder of test images and weights")
    return Path(folder)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
