"""Which files are inputs, what their results are called, and which are results themselves."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.images import formats
from srgan_kit.images.encode import write_image
from srgan_kit.images.formats import readable_endings, why_unreadable
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.mark import software_tag
from srgan_kit.upscaling.folders import STDIN, find
from srgan_kit.upscaling.jobs import STDOUT, Destination, keep_inputs, parse_output, plan


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")


def taken(*inputs: str, recursive: bool = False) -> list[str]:
    return [str(item.path) for item in find([*inputs], recursive) if not item.problem and not item.aside]


def targets(*inputs: str, destination: Destination | None = None) -> dict[str, str]:
    jobs = plan(find([*inputs], recursive=True), destination or Destination("beside"), "_x4", lambda _: ".png")
    return {str(job.source): str(job.target) for job in jobs if job.target is not None}


def test_every_ending_that_can_be_decoded_is_taken(here: Path) -> None:
    names = [f"in/{number}{ending}" for number, ending in enumerate(sorted(readable_endings()))]
    files(*names, "in/A.JPG")
    assert {".jfif", ".gif", ".tga", ".jp2", ".psd", ".ppm", ".qoi", ".ico", ".mpo"} <= readable_endings()
    assert sorted(taken("in")) == sorted([*names, "in/A.JPG"])


def test_what_cannot_be_decoded_is_named(here: Path) -> None:
    files("in/a.png", "in/b.CR2", "in/c.svg", "in/d.exr", "in/notes.txt", "in/.hidden.txt", "in/noname")
    found = {str(item.path): item for item in find(["in"], recursive=False)}
    assert [name for name, item in found.items() if item.problem] == ["in/b.CR2", "in/c.svg", "in/d.exr"]
    assert "camera's raw file" in found["in/b.CR2"].problem
    assert found["in"].aside == "no images: noname, notes.txt"
    files(*(f"many/{number}.txt" for number in range(9)), "many/a.png")
    assert find(["many"], recursive=False)[-1].aside == "no images: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 4 more"


@pytest.mark.parametrize(("ending", "extra"), [(".heic", "heif"), (".HIF", "heif"), (".jxl", "jxl")])
def test_without_the_extra_a_line_says_what_to_install(
    here: Path, monkeypatch: pytest.MonkeyPatch, ending: str, extra: str
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    monkeypatch.setattr(formats, "readable_endings", lambda: frozenset({".png"}))
    files(f"in/a{ending}")
    assert (why_unreadable(Path(f"a{ending}")) or "").endswith(f"pip install 'srgan-kit[{extra}]'")
    assert [item.problem for item in find(["in"], recursive=False)] == [why_unreadable(Path(f"a{ending}"))]


def test_hidden_files_and_folders_are_passed_over(here: Path) -> None:
    files("in/a.png", "in/.b.png", "in/.cache/c.png", "in/deep/d.png", "in/deep/.e/f.png")
    assert taken("in", recursive=True) == ["in/a.png", "in/deep/d.png"]
    assert taken("in/.cache") == ["in/.cache/c.png"]  # but not where it is named


def test_a_file_is_taken_once_however_it_is_spelled(here: Path) -> None:
    files("in/a.png", "other/b.png")
    os.symlink("in", "link")
    spellings = ["in/a.png", "./in//a.png", "other/../in/a.png", str(here / "in/a.png"), "link/a.png", "in"]
    assert taken(*spellings) == ["in/a.png"]
    assert taken("in", "in/a.png", "in") == ["in/a.png"]
    os.symlink("a.png", "in/c.png")
    assert taken("in") == ["in/a.png", "in/c.png"]  # two files to their owner


def test_a_link_to_nowhere_is_named(here: Path) -> None:
    os.symlink("gone", "a[1].png")
    assert find(["a[1].png"], recursive=False)[0].problem == "no such file"


def test_results_are_known_by_name(here: Path) -> None:
    files("in/p.jpg", "in/p_x4.bmp", "in/p_x4_x4_x2.bmp", "in/p_1920x1080.bmp", "in/p_jpg_x2.5.bmp", "in/q_x4.bmp")
    files("in/sub/s.png", "in/out/sub/s_x4.bmp", "in/out/p_x2.bmp", "in/out/q_x4_x2.bmp", "in/p_xl.bmp")
    originals = ["in/p.jpg", "in/p_xl.bmp", "in/q_x4.bmp", "in/sub/s.png"]  # of q there is no other
    assert taken("in", recursive=True) == originals
    assert taken("in/*") == ["in/p.jpg", "in/p_xl.bmp", "in/q_x4.bmp"]
    assert taken("in/p_x4.bmp", "in") == ["in/p_x4.bmp", "in/p.jpg", "in/p_xl.bmp", "in/q_x4.bmp"]  # as asked


def test_results_of_one_name_keep_apart(here: Path) -> None:
    files("t.png", "t.qoi", "t_qoi.qoi", "u.png")
    name = here.name
    assert targets("t.png", "t.qoi", "t_qoi.qoi", "u.png") == {
        "t.png": "t_png_x4.png",
        "t.qoi": f"{name}_t_qoi_x4.png",
        "t_qoi.qoi": "t_qoi_x4.png",
        "u.png": "u_x4.png",
    }
    files("a/v.png", "b/v.png", "c/a/v.png")
    into = Destination("folder", Path("out"))
    assert targets("a/v.png", "b/v.png", destination=into) == {
        "a/v.png": "out/a_v_png_x4.png",
        "b/v.png": "out/b_v_png_x4.png",
    }
    assert targets("a/v.png", "c/a/v.png", destination=into) == {
        "a/v.png": "out/v_png_2_x4.png",
        "c/a/v.png": "out/v_png_3_x4.png",
    }


def test_inputs_are_not_replaced_though_others_are_done(here: Path) -> None:
    files("a.png", "a_x4.png", "b.png")
    jobs = plan(find(["a.png", "a_x4.png", "b.png"], False), Destination("beside"), "_x4", lambda _: ".png")
    keep_inputs(jobs)
    assert [job.status for job in jobs] == ["failed", "waiting", "waiting"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, Destination("beside")),
        ("out.2024/", Destination("folder", Path("out.2024"))),
        ("out.2024", Destination("folder", Path("out.2024"))),
        ("pngs.png/", Destination("folder", Path("pngs.png"))),
        ("there.png", Destination("folder", Path("there.png"))),
        ("new", Destination("folder", Path("new"))),
        ("b.JPG", Destination("file", Path("b.JPG"))),
        ("-", Destination("stdout", STDOUT)),
        ("./-", Destination("folder", Path("-"))),
    ],
)
def test_what_an_output_is(here: Path, output: str | None, expected: Destination) -> None:
    files("a.png")
    Path("there.png").mkdir()
    assert parse_output(output, ["a.png"], find(["a.png"], False)) == expected


@pytest.mark.parametrize("output", ["b.ppm", "b.jpgg", "b.tga"])
def test_an_ending_that_is_not_written_is_refused(here: Path, output: str) -> None:
    files("a.png")
    with pytest.raises(UserError, match=rf"-o {output}: expected a name ending in .png .* or a folder's, ending in /"):
        parse_output(output, ["a.png"], find(["a.png"], False))


def test_an_image_does_not_become_a_video(here: Path) -> None:
    files("a.png")
    for name in ("a.png", "-"):
        with pytest.raises(UserError, match=rf"-o b\.mp4: {name} is no video; expected a name ending in \.png "):
            parse_output("b.mp4", [name], find([name], False))
    assert parse_output("b.mp4", ["missing.png"], find(["missing.png"], False)).kind == "file"  # which says so itself


def test_one_file_and_stdout_are_for_one_input(here: Path) -> None:
    files("in/a.png", "in/b.png", "one/a.png")
    assert parse_output("x.png", ["one/*"], find(["one/*"], False)).kind == "file"
    for inputs in (["in"], ["in/*"], ["in/a.png", "in/b.png"], ["one"]):
        for output in ("x.png", "-"):
            with pytest.raises(UserError, match="expected a folder"):
                parse_output(output, inputs, find(inputs, False))


def test_standard_input(here: Path) -> None:
    found = find(["-"], False)
    assert [(item.path, item.listed) for item in found] == [(STDIN, False)]
    assert parse_output(None, ["-"], found) == Destination("stdout", STDOUT)
    into = Destination("folder", Path("out"))
    assert [job.target for job in plan(found, into, "_x4", lambda _: ".png")] == [Path("out/stdin_x4.png")]


def test_a_picture_that_is_named_is_always_an_input(here: Path) -> None:
    Image.new("RGB", (4, 4)).save("p.png")
    files("p_x4.png")
    assert taken("p.png", "p_x4.png") == ["p.png", "p_x4.png"]


def test_what_a_shell_made_of_a_glob_holds_no_results(here: Path) -> None:
    for folder in ("", "in/"):
        files(f"{folder}p.png", f"{folder}q.png")
        for name in ("p_x2", "p_x2_x3", "alone_x2"):
            image = LoadedImage(np.zeros((4, 4, 3), np.uint8))
            write_image(image, Path(f"{folder}{name}.png"), software=software_tag("a", "x2"))
    assert taken("alone_x2.png", "p.png", "p_x2.png", "p_x2_x3.png", "q.png") == ["alone_x2.png", "p.png", "q.png"]
    aside = find(["p.png", "p_x2.png"], recursive=False)[1].aside
    assert aside == "a result of an earlier run (a, x2); name it alone to upscale it again"
    assert taken("p_x2.png") == taken("p_x2.png", "q.png")[:1] == ["p_x2.png"]
    assert taken("in/p_x2.png", "in") == ["in/p_x2.png", "in/p.png", "in/q.png"]  # as asked
