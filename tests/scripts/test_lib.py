"""What scripts share: generated parts of pages, and the data folder."""

from pathlib import Path

import pytest

from scripts.lib import pages, paths
from scripts.lib.kept import kept
from scripts.lib.results import Results

PAGE = "before\n<!-- first -->\nold\n<!-- end of first -->\nbetween\n<!-- second -->\n<!-- end of second -->\nafter\n"


def test_parts_are_written_between_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    pages.fill(page, {"second": "two", "first": r"one \1"})
    expected = PAGE.replace("old", r"one \1").replace("<!-- second -->\n", "<!-- second -->\ntwo\n")
    assert page.read_text(encoding="utf-8") == expected
    pages.fill(page, {"first": r"one \1"})
    assert page.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("text", ["", "<!-- first -->\nold\n", "old\n<!-- end of first -->\n"])
def test_a_page_without_the_marks_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="expected the marks <!-- first --> and <!-- end of first -->"):
        pages.filled(text, {"first": "new"})


def test_the_data_folder_is_that_of_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRGAN_KIT_DATA", str(tmp_path))
    assert paths.data_folder("images") == paths.optional_data_folder() == tmp_path
    monkeypatch.delenv("SRGAN_KIT_DATA")
    assert paths.optional_data_folder() is None
    with pytest.raises(SystemExit, match="SRGAN_KIT_DATA is not set: it names the folder of images"):
        paths.data_folder("images")


def test_results_that_were_measured_again_replace_the_others(tmp_path: Path) -> None:
    results = Results(tmp_path / "some.jsonl")
    for row in ({"number": 1, "old": 2, "new": 3}, {"number": 2, "old": 4}, {"number": 1, "old": 5}):
        results.add(row)
    assert results.latest("number") == [{"number": 1, "old": 5}, {"number": 2, "old": 4}]
    results.tidy(["number"], without=["old"])
    assert results.rows() == [{"number": 1}, {"number": 2}]
    with results.path.open("a") as file:
        file.write('{"number": 2, "o')  # cut short
    assert results.latest("number") == [{"number": 1}, {"number": 2}]


def test_what_was_measured_is_kept_until_its_subject_changes(tmp_path: Path) -> None:
    subject, calls = tmp_path / "model", iter(range(10))
    subject.write_bytes(b"first")
    assert kept(tmp_path / "a" / "kept.json", subject, lambda: next(calls)) == 0
    assert kept(tmp_path / "a" / "kept.json", subject, lambda: next(calls)) == 0
    assert kept(tmp_path / "a" / "kept.json", subject, lambda: next(calls), "otherwise") == 1
    subject.write_bytes(b"second")
    assert kept(tmp_path / "a" / "kept.json", subject, lambda: next(calls), "otherwise") == 2
    assert kept(tmp_path / "b.json", "a name", lambda: next(calls)) == 3
    assert kept(tmp_path / "b.json", "a name", lambda: next(calls)) == 3
