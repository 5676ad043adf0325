"""The commands' large tensors lie on huge pages where Linux gives them to those who ask."""

import subprocess
import sys
from pathlib import Path

import pytest

ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
PROGRAM = """
import contextlib, re, sys
from pathlib import Path
from srgan_kit.cli.main import run
sys.argv = ["srgan-kit", "models"]
with contextlib.suppress(SystemExit):
    run()
import torch
tensor = torch.ones(2**24)
found = re.search(r"AnonHugePages: +([0-9]+) kB", Path("/proc/self/smaps_rollup").read_text())
sys.stderr.write(found[1])
"""


@pytest.mark.skipif(
    not ENABLED.exists() or "[madvise]" not in ENABLED.read_text(), reason="the system has no huge pages on request"
)
def test_large_tensors_lie_on_huge_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stderr.split()[-1]) >= 2**24 * 4 / 1024 / 2
