"""A slice of what `scripts/reliability/` does at length: mutated files are done, or refused in one line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.reliability import fuzz_files, fuzz_images, kills
from scripts.reliability.fuzzing import fuzz, mutated
from srgan_kit.errors import UserError


def test_mutated_images() -> None:
    line = fuzz_images.run(210, seed=11)
    assert line.startswith("210 mutated images, seed 11: 0 tracebacks, 0 hangs, 0 leftovers; ")
    assert int(line.split("; ")[1].split()[0]) > 20  # done: not every mutant is refused at its first byte


def test_mutated_other_files() -> None:
    line = fuzz_files.run(90, seed=11)
    assert line.startswith("90 mutated other files, seed 11: 0 tracebacks, 0 hangs, 0 leftovers; ")


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
def test_kills() -> None:
    """In a process of its own: forks of one with threads, as this may be, could hang."""
    command = [sys.executable, "-m", kills.__name__, "--count", "5", "--seed", "12"]
    root = Path(kills.__file__).parents[2]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.startswith(
        "5 kills, seed 12: 0 partial outputs, 0 leftovers, 0 tracebacks, 0 wrong exit statuses, "
        "0 trainings not bit-identical; 1 of upscale, 1 of train, 1 of train with a critic, 1 of train a GAN, "
    )


def test_every_intact_image_is_upscaled(tmp_path: Path) -> None:
    for name, content in fuzz_images.intact().items():
        (tmp_path / name).write_bytes(content)
        assert fuzz_images.read_image(tmp_path / name).size in ((31, 23), (23, 31), (16, 16)), name


def test_every_intact_file_is_read(tmp_path: Path) -> None:
    for name, content in fuzz_files.intact(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        if name.endswith(".param"):
            continue  # its weights are made by `run`
        assert fuzz_files.attempt(tmp_path / name), name


def test_mutants_are_functions_of_their_seed() -> None:
    content = bytes(range(200))
    first, second, other = (mutated(content, np.random.default_rng((seed, 0))) for seed in (1, 1, 2))
    assert first == second != content
    assert other != first


def test_what_should_not_happen_is_counted(tmp_path: Path) -> None:
    def attempt(path: Path) -> bool:
        number = int(path.stem)
        if number == 0:
            raise KeyError("traceback")
        if number == 1:
            (tmp_path / "left").write_text("over")
        return number != 2

    outcome = fuzz({"a.txt": b"some text"}, 4, 1, tmp_path, attempt)
    assert dict(outcome.counts) == {"tracebacks": 1, "done": 2, "refused": 1, "leftovers": 1}
    assert outcome.line("texts", 1).startswith(
        "4 mutated texts, seed 1: 1 tracebacks, 0 hangs, 1 leftovers; 2 done, 1 re"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["left"]


def test_an_error_of_two_lines_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise UserError("one\ntwo")

    monkeypatch.setattr(fuzz_files, "read_arrays", refuse)
    with pytest.raises(ValueError, match="more than one line"):
        fuzz_files.attempt(tmp_path / "a.npz")
