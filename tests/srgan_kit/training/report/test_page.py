"""The page of a run: of every task, of runs that are whole, stopped or broken; and that it needs nothing but itself."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import train
from srgan_kit.training.report.page import NAME, page, write_report
from srgan_kit.training.report.panels import sections
from srgan_kit.training.report.recorded_run import MOST_SHEETS, RecordedRun

VOID = {"meta", "input", "img"}


class Reader(HTMLParser):
    """The tags, texts by tag, and what is loaded from elsewhere, of a page whose tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> list[str]:
        return [text for at, text in self.texts if at == tag]


@pytest.mark.parametrize("name", ["plain", "steered", "gan", "infogan", "vae", "inversion", "pixel"])
def test_every_task_has_a_page_with_all_its_numbers(name: str, tiny_run: Callable[[str], Path]) -> None:
    run = tiny_run(name)
    text = (run / NAME).read_text(encoding="utf-8")
    reader = Reader(text)
    assert reader.of("h1") == [name]
    assert "Finished: 10 steps" in text
    state = RecordedRun(run)
    assert reader.tags.count("img") == len(list((run / "sheets").iterdir())) == len(state.sheets()) >= 2
    assert "script" not in reader.tags
    assert all(link.startswith("data:image/") for link in reader.loaded)
    assert not re.search(r"https?:|url\(|@import", text)
    charts = [chart for section in sections(state.log) for chart in section.charts]
    lines = [points for chart in charts for points in chart.lines.values()]
    shown = {tuple(points) for points in lines}
    silent = re.compile(r"entropy/|validation/bicubic_|.*_error$")
    assert [
        each for each in state.log.names() if not silent.match(each) and tuple(state.log.points(each)) not in shown
    ] == []
    assert reader.tags.count("svg") == len(charts)
    weights = state.weights()
    assert {*reader.of("th")} >= {each for each in state.log.names() if each in weights}
    assert f'name = "{name}"' in "".join(reader.of("pre"))


def test_a_super_resolvers_page_has_bicubic_and_the_start_beside_its_figures(tiny_run: Callable[[str], Path]) -> None:
    text = (tiny_run("plain") / NAME).read_text(encoding="utf-8")
    log = RecordedRun(tiny_run("plain")).log
    assert log.start("psnr_y") == log.points("validation/psnr_y")[0][1]
    assert re.search(r"<dd>start [\d.]+, bicubic [\d.]+, best [\d.]+ at step \d+</dd>", text)


@pytest.fixture
def copy(tiny_run: Callable[[str], Path], tmp_path: Path) -> Path:
    """A run that may be broken."""
    return Path(shutil.copytree(tiny_run("gan"), tmp_path / "run"))


def test_a_run_that_crashed_has_a_page(copy: Path) -> None:
    log = (copy / "log.jsonl").read_text(encoding="utf-8")
    (copy / "log.jsonl").write_text(log[: len(log) // 2], encoding="utf-8")
    for name in ("model.safetensors", "checkpoint.pt", NAME):
        (copy / name).unlink()
    sheet = copy / "sheets" / "0000010.png"
    sheet.write_bytes(sheet.read_bytes()[:100])
    (copy / "sheets" / "notes.png").write_text("someone's")
    text = page(RecordedRun(copy))
    assert "Not finished: " in text
    assert "of 10 steps" in text
    assert Reader(text).tags.count("img") == 1


@pytest.mark.parametrize("left", [["recipe.json"], ["log.jsonl"]])
def test_whatever_is_left_of_a_run_is_shown(left: list[str], copy: Path) -> None:
    for path in copy.iterdir():
        if path.name not in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    reader = Reader(page(RecordedRun(copy)))
    assert reader.of("h1") == ["gan" if "recipe.json" in left else "run"]
    assert ("svg" in reader.tags) == ("log.jsonl" in left)


def test_a_recipe_of_another_version_is_shown_as_it_is(copy: Path) -> None:
    values = json.loads((copy / "recipe.json").read_text(encoding="utf-8"))
    values |= {"name": "<old>", "no_longer": {"a key": "<b>"}, "weights": {"adversarial": 0.5}}
    (copy / "recipe.json").write_text(json.dumps(values), encoding="utf-8")
    state = RecordedRun(copy)
    assert state.recipe is None
    reader = Reader(page(state))
    assert reader.of("h1") == ["<old>"]
    assert 'no_longer."a key"' in "".join(reader.of("pre")) or '"a key" = "<b>"' in "".join(reader.of("pre"))
    assert "adversarial" in reader.of("th")


def test_of_many_sheets_a_few_are_shown_with_the_first_and_the_last(copy: Path) -> None:
    for number in range(3 * MOST_SHEETS):
        Image.new("L", (8, 8), number).save(copy / "sheets" / f"{number:07d}.png")
    Image.effect_noise((800, 800), 100).save(copy / "sheets" / "0000100.png")
    sheets = RecordedRun(copy).sheets()
    assert len(sheets) == MOST_SHEETS
    assert (sheets[0].step, sheets[-1].step) == (0, 100)
    assert sheets[0].source.startswith("data:image/png;")
    assert sheets[-1].source.startswith("data:image/jpeg;")  # a large file


def test_a_warning_is_on_the_page_with_the_switch_to_try(copy: Path) -> None:
    records = [{"step": step, "validation/diversity": ratio} for step, ratio in ((10, 0.9), (11, 0.01))]
    (copy / "log.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    reader = Reader(page(RecordedRun(copy)))
    assert "The generator collapses " in reader.of("h3")
    assert "step 11; still so at the end" in reader.of("small")
    assert {"critic.minibatch_kernels=50", "weights.feature_matching=1"} <= {*reader.of("code")}
    (copy / "log.jsonl").write_text(json.dumps(records[0]), encoding="utf-8")
    reader = Reader(page(RecordedRun(copy)))
    assert reader.of("h3") == []
    assert "None: no check of the log found anything wrong." in reader.of("p")


def test_the_command(copy: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    (copy / NAME).unlink()
    assert command("report", copy) == (0, f"{copy / NAME}\n", "")
    assert command("report", copy, "-o", tmp_path / "other.html") == (0, f"{tmp_path / 'other.html'}\n", "")
    assert (tmp_path / "other.html").read_bytes() == (copy / NAME).read_bytes()
    status, out, err = command("report", tmp_path)
    assert (status, out) == (2, "")
    assert err == f"error: {tmp_path}: expected a run's folder, with a recipe.json and a log.jsonl in it\n"
    status, _, err = command("report", copy, "-o", tmp_path / "no" / "where.html")
    assert (status, err.count("\n")) == (2, 1)
    assert "there is no folder" in err
    (tmp_path / "photo.png").write_text("mine")
    assert command("report", copy, "-o", tmp_path / "photo.png")[0] == 2
    assert command("report", copy, "-o", tmp_path / "other.html")[0] == 2
    assert command("report", copy, "-o", tmp_path / "other.html", "--overwrite")[0] == 0
    assert (tmp_path / "photo.png").read_text() == "mine"


def test_a_page_that_cannot_be_written_fails_no_run(
    two_classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["steps=2", "data.patch=8", "generator.channels=4", "validation.holdout=1", "device=cpu"]
    (tmp_path / "run" / NAME).mkdir(parents=True)  # in the way
    outcome = train(load_recipe("smoke", settings, two_classes), tmp_path / "run")
    assert outcome.finished
    assert f"warning: no page of the run: {tmp_path / 'run' / NAME}: cannot be written" in capsys.readouterr().err


def test_a_resumed_run_has_one_page_of_all_its_steps(two_classes: Path, tmp_path: Path) -> None:
    small = ["data.patch=8", "generator.channels=4", "validation.holdout=1", "device=cpu", "log_every=1"]
    train(load_recipe("smoke", [*small, "steps=3"], two_classes), tmp_path / "run")
    train(load_recipe("smoke", [*small, "steps=6"], two_classes), tmp_path / "run", resume=True)
    assert "Finished: 6 steps" in (tmp_path / "run" / NAME).read_text(encoding="utf-8")
    log = RecordedRun(tmp_path / "run").log
    assert [step for step, _ in log.points("pixel")] == [1, 2, 3, 4, 5, 6]
    assert log.start("psnr_y") is not None


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a run's folder"):
        write_report(tmp_path / "nothing")
