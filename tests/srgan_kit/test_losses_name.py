"""`srgan_kit.losses` is the loss library, whatever else is called `losses` where the user's script lies."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

USE = """
import torch
from srgan_kit.losses import CharbonnierLoss, VGGFeatureLoss
from srgan_kit import losses as ours
import srgan_kit.losses
from srgan_kit.losses.perceptual import VGGFeatureLoss as FromItsFile

assert FromItsFile is VGGFeatureLoss
assert ours is srgan_kit.losses is sys.modules["srgan_kit.losses"]
assert ours.VGGFeatureLoss is VGGFeatureLoss
weights = {"features.0.weight": torch.ones(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
assert VGGFeatureLoss("conv1_1", weights=weights)(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)) > 0
assert CharbonnierLoss(eps=4.0)(torch.tensor([3.0]), torch.tensor([0.0])) == 5
"""


def run(script: Path, *python_path: Path) -> str:
    """The output of the script, started as a user does, with the library as if it were installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, python_path))}
    result = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_not_shadowed_both_names_are_one_module(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n" + USE + "import losses\nfrom losses import VGGFeatureLoss as TopLevel\n"
        "assert TopLevel is VGGFeatureLoss and losses is ours\nprint(losses.__name__)"
    )
    assert run(script, ROOT) == "losses\n"


@pytest.mark.parametrize("form", ["losses.py", "losses/__init__.py"])
def test_shadowed_by_a_users_own_losses(form: str, tmp_path: Path) -> None:
    own = tmp_path / form
    own.parent.mkdir(exist_ok=True)
    own.write_text("print('own code ran')\nMINE = 1\n")
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\n{USE}\nprint(ours.__name__)\nimport losses as mine\nassert mine.MINE == 1\n"
        "assert ours.VGGFeatureLoss is VGGFeatureLoss and not hasattr(ours, 'MINE')"
    )
    output = run(script, tmp_path, ROOT)
    assert output == "srgan_kit.losses\nown code ran\n"


def test_shadowed_and_imported_first(tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text("MINE = 1\n")
    script = tmp_path / "script.py"
    script.write_text("import sys, losses\n" + USE + "assert losses.MINE == 1 and losses is not ours\nprint('fine')")
    assert run(script, tmp_path, ROOT) == "fine\n"


def test_shadowed_by_a_module_made_in_memory(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import sys, types\nsys.modules['losses'] = types.ModuleType('losses')\n{USE}\nprint('fine')")
    assert run(script, ROOT) == "fine\n"


def test_run_as_a_script_called_losses(tmp_path: Path) -> None:
    script = tmp_path / "losses.py"
    script.write_text(
        f"import sys\nif __name__ == '__main__':\n{USE.replace(chr(10), chr(10) + '    ')}\n    print('fine')"
    )
    assert run(script, ROOT) == "fine\n"
