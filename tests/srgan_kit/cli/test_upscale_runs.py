"""`srgan-kit upscale`: sizes, dry runs, watched folders, tables and maps, as their users run them."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from upscale_command import save_tiny_model, wait_for

from srgan_kit.cli import upscale_explain
from srgan_kit.cli.upscale_dry_run import duration
from srgan_kit.images.mark import read_mark

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_image(path: Path, size: tuple[int, int] = (12, 9)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 60).convert("RGB").save(path)
    return path


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- dials and sizes ------------------------------------------------------------------------------------------------


def test_dials_on_the_command_line(here: Path, command: Command) -> None:
    make_image(here / "a.png")
    status, out, err = command("upscale", "a.png", "--detail", "0.5", "--denoise", "0.25", "--report", "r.json")
    assert (status, err) == (0, "")
    assert "x4-fidelity+x4-photo+x4-perceptual: detail 0.5, denoise 0.25)" in out
    assert read_mark(here / "a_x4.png") == "x4-fidelity+x4-photo+x4-perceptual, x4"
    report = json.loads((here / "r.json").read_text())
    assert (report["detail"], report["denoise"], report["model"]) == (0.5, 0.25, "auto")


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (["-s", "2", "--detail", "0.5"], "there is no perceptual model of x2: those of x4 are used, and reduced"),
        (["-s", "3", "--denoise", "0.5"], "there is no photo model of x3: those of x4 are used, and reduced"),
        (["-s", "2", "--denoise", "0.5"], ""),
        (["--detail", "0"], ""),
    ],
)
def test_models_of_another_scale_are_said(here: Path, command: Command, options: list[str], note: str) -> None:
    make_image(here / "a.png")
    status, out, err = command("upscale", "a.png", *options, "--dry-run")
    assert status == 0
    assert err == (f"note: {note}\n" if note else "")
    assert ("x4-fidelity" in out) is (note != "" or options == ["--detail", "0"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--detail", "0", "-m", "x4-photo"], "--detail and -m x4-photo: --detail chooses its own models"),
        (["--denoise", "1", "--fast"], "--denoise and --fast: --denoise chooses its own models"),
        (["--detail", "1.5"], "detail: expected a number from 0 to 1, got 1.5"),
        (["--width", "9", "--height", "9"], "--fit 9x9 fits into that box"),
        (["--width", "9", "-s", "2"], "--scale and --width: expected one of them"),
        (["--width", "0"], "--width 0: expected at least 1 pixel"),
        (["--dry-run", "--report", "r.json"], "--dry-run and --report: nothing is written"),
        (["--dry-run", "--watch"], "--watch and --dry-run: expected one of them"),
        (["--watch"], "--watch a.png: expected a folder"),
        (["b.png", "--explain", "map.png"], "--explain map.png: expected one input, got 2"),
        (["--explain", "map.svg"], "map.svg: expected a name ending in"),
        (["--explain", "a.png", "--overwrite"], "--explain a.png: is an input as well"),
        (["--explain", "a_x4.png"], "--explain a_x4.png: is a result as well"),
        (["--explain", "m.png", "--report", "m.png"], "--explain m.png: is what --report names"),
    ],
)
def test_what_cannot_be_is_one_line(here: Path, command: Command, options: list[str], reason: str) -> None:
    make_image(here / "a.png")
    make_image(here / "b.png")
    status, out, err = command("upscale", "a.png", *options)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert reason in err
    assert err.count("\n") == 1
    assert names(here) == ["a.png", "b.png"]


def test_width_and_height(here: Path, command: Command, weights: str) -> None:
    make_image(here / "a.png")
    for options, name, expected in (
        (["--width", "30"], "a_30w.png", (30, 22)),
        (["--height", "90"], "a_90h.png", (120, 90)),
    ):
        assert command("upscale", "a.png", "-m", weights, *options)[0] == 0
        assert size(here / name) == expected
        assert read_mark(here / name) == f"tiny, {name[2:-4]}"
    status, out, _ = command("upscale", ".", "-m", weights, "--skip-existing", "--width", "30")  # no result is an input
    assert status == 0
    assert out.count("a result of an earlier run") == 2


# --- dry runs -------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_a_run_would_do_and_writes_nothing(here: Path, command: Command) -> None:
    make_image(here / "in" / "a.png")
    make_image(here / "in" / "b.png", (40, 30))
    make_image(here / "in" / "c.png")
    make_image(here / "out" / "c_x2.png")
    (here / "in" / "broken.jpg").write_text("broken")
    before = {name: (here / name).read_bytes() for name in names(here)}
    arguments = ("upscale", "in", "missing.png", "-o", "out/", "-s", "2", "--precision", "fp32", "--device", "cpu")
    status, out, err = command(*arguments, "--dry-run")
    assert status == 1
    lines = out.splitlines()
    needs = r"about [0-9.]+ s, [0-9.]+ GB, x2-fidelity: no sign of compression or noise\)"
    assert re.fullmatch(rf"in/a.png \(12x9\) -> out/a_x2.png \(24x18, {needs}", lines[0])
    assert lines[1].startswith("in/b.png (40x30) -> out/b_x2.png (80x60, ")
    assert re.fullmatch(r"2 images: about [0-9.]+ s on cpu, [0-9.]+ GB of memory at most", lines[2])
    assert "by a short run of each just now; nothing was written" in lines[3]
    errors = err.splitlines()
    assert errors[0].startswith("error: in/broken.jpg: not an image")
    assert errors[1:] == [
        "error: in/c.png: out/c_x2.png exists (--overwrite replaces it)",
        "error: missing.png: no such file",
    ]
    assert {name: (here / name).read_bytes() for name in names(here)} == before
    assert not [name for name in os.listdir(here / "out") if name.startswith(".")]


def test_a_dry_run_makes_no_folder(here: Path, command: Command, weights: str) -> None:
    make_image(here / "a.png")
    assert command("upscale", "a.png", "-o", "new/folder/", "-m", weights, "--dry-run")[0] == 0
    assert names(here) == ["a.png"]
    assert not (here / "new").exists()


def test_times_in_words() -> None:
    assert [duration(each) for each in (0, 0.26, 9.96, 99.4, 100, 5990, 6010)] == [
        *("0.1 s", "0.3 s", "10 s", "99 s", "2 min", "1 h 40 min", "1 h 40 min")
    ]


# --- the table ------------------------------------------------------------------------------------------------------


def test_a_report_ends_with_a_table(here: Path, command: Command, weights: str) -> None:
    long = "a" * 60
    make_image(here / f"{long}.png")
    make_image(here / "b.png")
    status, out, _ = command("upscale", f"{long}.png", "b.png", "none.png", "-m", weights, "--report", "r.json")
    assert status == 1
    table = out.splitlines()[2:]
    assert table[0].split() == ["image", "from", "to", "model", "seconds", "status"]
    assert table[1].split()[0] == f"{'a' * 13}…{'a' * 22}.png"
    assert table[1].split()[1:4] == ["12x9", "48x36", "tiny"]
    assert table[2].startswith("b.png  ")
    assert table[3].split() == ["none.png", "-", "-", "-", "-", "failed"]
    assert table[4].startswith("2 done, 1 failed ")
    assert json.loads((here / "r.json").read_text())["images"][0]["input_size"] == [12, 9]
    assert len({line.rindex(word) for line, word in zip(table[1:3], ("done", "done"), strict=True)}) == 1
    _, out, _ = command("upscale", "b.png", "-m", weights, "--report", "r.json", "--overwrite")
    assert len(out.splitlines()) == 1  # no table of one image


def test_a_table_gives_way_to_what_is_piped(here: Path, command: Command, weights: str) -> None:
    make_image(here / "a.png")
    make_image(here / "b.png")
    _, out, err = command("upscale", "a.png", "b.png", "-m", weights, "--report", "-")
    assert len(json.loads(out)["images"]) == 2
    assert err.splitlines()[-1].startswith("2 done ")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of Unix")
@pytest.mark.parametrize(("width", "columns"), [(90, 6), (56, 4), (30, 2)])
def test_a_narrow_terminal_gets_a_narrow_table(width: int, columns: int) -> None:
    import fcntl
    import struct
    import termios

    program = """
from pathlib import Path
from srgan_kit.cli.upscale_report import print_jobs
from srgan_kit.upscaling.jobs import Job
done = Job(Path("long" * 20 + ".png"), status="done", input_size=(640, 480), size=(2560, 1920), model="x4-fidelity")
print_jobs([done, Job(Path("b.png"), status="failed")], on_stderr=False)
"""
    terminal, other_end = os.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    subprocess.run([sys.executable, "-c", program], env=environment, stdout=other_end, check=True)
    os.close(other_end)
    seen = re.sub(r"\x1b\[[0-9;]*m", "", os.read(terminal, 100_000).decode())
    os.close(terminal)
    rows = [line.split("│") for line in seen.splitlines() if line.startswith("│")]
    assert [len(row) - 2 for row in rows] == [columns] * 3
    assert all(len(line) <= width for line in seen.splitlines())
    assert rows[0][1].strip().startswith("long")
    assert rows[0][1].strip().endswith("long.png")
    assert [row[-2].strip() for row in rows] == ["done", "failed", ""]
    assert rows[2][1].strip() == "1 done, 1 failed"


# --- watched folders ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal of Unix")
def test_a_watched_folder(here: Path, weights: str) -> None:
    make_image(here / "in" / "there.png")
    program = [sys.executable, "-c", "from srgan_kit.cli.main import run; run()", "upscale", "in", "--watch"]
    begin = "import srgan_kit.upscaling.watching as w; w.POLL, w.SETTLED = 0.05, 0.2; "
    program[2] = begin + program[2]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def hear() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with subprocess.Popen([*program, "-m", weights, "--report", "r.json"], preexec_fn=hear, **options) as process:
        wait_for(lambda: (here / "in" / "there_x4.png").exists())
        whole = make_image(here / "new.png").read_bytes()
        with (here / "in" / "new.png").open("wb") as file:  # a copy that takes its time
            for start in range(0, len(whole), 1 + len(whole) // 8):
                file.write(whole[start : start + 1 + len(whole) // 8])
                file.flush()
                time.sleep(0.05)
        (here / "in" / "broken.png").write_text("no image")
        wait_for(lambda: (here / "in" / "new_x4.png").exists())
        make_image(here / "in" / "new.jpg")
        wait_for(lambda: (here / "in" / "new_jpg_x4.png").exists())
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert names(here / "in") == [
        *("broken.png", "new.jpg", "new.png", "new_jpg_x4.png", "new_x4.png", "there.png", "there_x4.png")
    ]
    errors = err.splitlines()
    assert errors[0] == "watching in; Ctrl-C ends"
    assert errors[-1] == "stopped by SIGINT: 3 of 4 images done"
    assert len([line for line in errors if line.startswith("error: in/broken.png: not an image")]) == len(errors) - 2
    assert out.splitlines()[-1].startswith("3 done, 1 failed")
    images = json.loads((here / "r.json").read_text())["images"]
    assert sorted((image["source"], image["status"]) for image in images) == [
        *(("in/broken.png", "failed"), ("in/new.jpg", "done"), ("in/new.png", "done"), ("in/there.png", "done"))
    ]


# --- maps -----------------------------------------------------------------------------------------------------------


def test_a_map_is_drawn_beside_the_result(here: Path, command: Command) -> None:
    make_image(here / "a.png", (24, 16))
    arguments = ("upscale", "a.png", "--detail", "1", "--explain", "map.png")
    status, _, err = command(*arguments)
    assert status == 0
    assert err.startswith("note: a.png: map.png: departs from what the input supports by ")
    width, height = size(here / "map.png")
    assert (width >= 96, height > 64) == (True, True)
    assert read_mark(here / "map.png") == "x4-fidelity, map"
    assert size(here / "a_x4.png") == (96, 64)
    status, _, err = command(*arguments, "--overwrite")
    assert status == 0
    (here / "a_x4.png").unlink()
    (here / "map.png").write_text("mine")
    status, _, err = command(*arguments)
    assert status == 2
    assert "map.png: exists already" in err
    assert (here / "map.png").read_text() == "mine"


def test_without_its_map_an_image_has_failed(here: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    make_image(here / "a.png", (24, 16))
    monkeypatch.setattr(upscale_explain, "draw_map", full)
    status, out, err = command("upscale", "a.png", "-m", "x2-fidelity", "--explain", "map.png")
    assert status == 1
    assert "No space left on device" in err
    assert "done" not in out
    assert not (here / "a_x2.png").exists()


def test_a_map_of_the_fidelity_models_own_result_shows_little(here: Path, command: Command) -> None:
    from skimage import data

    Image.fromarray(np.asarray(data.astronaut())[100:130, 180:220]).save(here / "a.png")
    found: dict[str, float] = {}
    for detail in ("0", "1"):
        _, _, err = command("upscale", "a.png", "--detail", detail, "--explain", f"m{detail}.png", "--overwrite")
        found[detail] = float(err.split("supports by ")[1].split(" ")[0])
    assert found["0"] < 0.5 * found["1"]
