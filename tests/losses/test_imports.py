"""What importing the losses brings in."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_importing_the_losses_is_light() -> None:
    code = "import sys, losses; print(sorted({'torchvision', 'kornia', 'lpips', 'srgan_kit'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_everything_exported_is_there() -> None:
    import losses

    assert sorted(losses.__all__) == losses.__all__
    assert all(hasattr(losses, name) for name in losses.__all__)
