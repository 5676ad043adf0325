"""What importing the losses brings in."""

import re
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


def test_examples_of_the_page_run(tmp_path: Path) -> None:
    """Each block of docs/losses.md as a script; those that would download a network's weights are left out."""
    page = (ROOT / "docs" / "losses.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if '"conv5_4"' not in block]
    assert len(blocks) == 4
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + "\n".join(blocks)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "torch.Size([1, 3, 32, 32])" in result.stdout
