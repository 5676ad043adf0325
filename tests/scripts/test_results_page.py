"""docs/results.md and the tables of the systems' pages are those of the result files."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import TinyRuns

from scripts.experiments import all as every
from scripts.lib import paths
from scripts.lib.experiment import HARDWARE, Experiment, Figure, hardware, open_experiment
from scripts.lib.results_page import CAPTIONS, PAGE, PAGES, described, number, read, results_page, system_pages, table
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.run import Diverged


def test_pages_are_those_of_the_result_files() -> None:
    results = {name: read(name) for name in PAGES}
    assert PAGE.read_text(encoding="utf-8") == results_page(results), "python -m scripts.experiments.results"
    for page, text in system_pages(results).items():
        assert page.read_text(encoding="utf-8") == text, f"{page}: python -m scripts.experiments.results"


def found(work: Path) -> Experiment:
    """An experiment with one figure of each status."""
    one = Experiment("gan", "GAN", "Paper, table 1", work, work, True, work, work)
    one.figures = [
        Figure("errors", "100 labels", 1940.0, 12.5, paper=93.0, goal=150.0),
        Figure("nats", "a | b", 81.39, paper=81.3),
        Figure("nats", "half a nat is no tenth", 81.8, paper=81.3),
        Figure("PSNR, dB", "all", 29.7, goal=30.0, better="higher"),
        Figure("Parzen, nats", "no aim", 81.8, paper=81.3, is_aim=False),
        Figure("accuracy", "all", 0.97, goal=0.95, better="higher"),
        Figure("accuracy", "of a control", 0.5, better="higher"),
    ]
    one.settings, one.notes = {"steps": 10, "seeds": [0, 1]}, ["A note."]
    one.runs = {"run": {"settings": "", "hours": 0.5, "hardware": ["a card"]}}
    return one


def test_a_row_has_the_papers_figure_the_goal_and_the_status(tmp_path: Path) -> None:
    found(tmp_path).write()
    result = read("gan", tmp_path)
    assert result is not None
    assert table(result["figures"]).splitlines()[2:] == [
        "| errors | 100 labels | 93 | 150 | 1,940 ± 12 | not reached |",
        "| nats | a \\| b | 81.30 | 81.30 | 81.39 | within 10 % |",
        "| nats | half a nat is no tenth | 81.30 | 81.30 | 81.80 | not reached |",
        "| PSNR, dB | all |  | 30 | 29.70 | within 10 % |",
        "| Parzen, nats | no aim | 81.30 |  | 81.80 |  |",
        "| accuracy | all |  | 0.9500 | 0.9700 | reached |",
        "| accuracy | of a control |  |  | 0.5000 |  |",
    ]
    text = described(result)
    assert "\n- A note.\n- Settings: steps 10; seeds 0, 1.\n- Training took 30 minutes in all, on a card.\n" in text
    assert "Not finished" not in text
    assert "\n- Not finished: a, b.\n" in described(result | {"unfinished": ["a", "b"]})
    assert "\n- Not finished: 120 runs.\n" in described(result | {"unfinished": ["a"] * 120})


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (93.25, 6.5, "93.25 ± 6.50"),
        (10000.0, None, "10,000"),
        (0.0123456, None, "0.01235"),
        (0.0, 0.25, "0.0000 ± 0.2500"),
        (None, None, ""),
        (float("nan"), None, "nan"),
        (-1.16345, 0.002, "-1.163 ± 0.002"),
    ],
)
def test_numbers_have_four_digits(value: float | None, spread: float | None, text: str) -> None:
    assert number(value, spread) == text


def test_the_page_of_a_system_has_the_table_between_its_marks(tmp_path: Path) -> None:
    for name, page in PAGES.items():
        (tmp_path / page).parent.mkdir(exist_ok=True)
        marks = f"<!-- results {name} -->\n<!-- end of results {name} -->"
        (tmp_path / page).write_text(f"# Title\n{marks}\n", encoding="utf-8")
    found(tmp_path).write()
    results = dict.fromkeys(PAGES) | {"gan": read("gan", tmp_path)}
    assert results["gan"] is not None
    texts = system_pages(results, tmp_path)
    assert list(texts) == [tmp_path / page for page in PAGES.values()]
    assert "Not measured yet: `python -m scripts.experiments.vae`." in texts[tmp_path / PAGES["vae"]]
    assert "![" not in texts[tmp_path / PAGES["gan"]]
    assert table(results["gan"]["figures"]) in texts[tmp_path / PAGES["gan"]]
    whole = results_page(results, tmp_path)
    assert "## [GAN](systems/gan.md)\n\nPaper, table 1.\n\n| measure" in whole
    assert "## [Title](systems/vae.md)\n\nNot run yet.\n" in whole
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "gan.png").touch()
    shown = f"![{CAPTIONS['gan']}](../images/gan.png)\n<!-- end of results gan -->"
    assert shown in system_pages(results, tmp_path)[tmp_path / PAGES["gan"]]
    (tmp_path / PAGES["vae"]).write_text("# Title\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"vae\.md: expected the marks <!-- results vae -->"):
        system_pages(results, tmp_path)


def test_what_has_no_complete_result_is_missing(tmp_path: Path) -> None:
    experiment = found(tmp_path)
    experiment.write()
    (tmp_path / "vae.json").write_text('{"rows": []}', encoding="utf-8")  # not of an experiment on a system
    assert every.missing(tmp_path) == [name for name in PAGES if name != "gan"]
    experiment.unfinished.append("a run")
    experiment.write()
    assert "gan" in every.missing(tmp_path)


def test_an_experiment_without_time_names_the_runs_that_it_did_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRGAN_KIT_DATA", str(tmp_path))
    only_measure = every.command("gan", every.ONLY_MEASURE, tmp_path, True)[3:]
    experiment = open_experiment("gan", "GAN", "paper", None, only_measure)
    assert experiment.trained("first", "dcgan", tmp_path) is None
    assert json.loads(experiment.write().read_text(encoding="utf-8"))["unfinished"] == ["first"]


def one_step(tiny: TinyRuns) -> tuple[str, list[str]]:
    """Recipe and settings of the shortest run."""
    settings = ["variant=none", "weights.total_variation=1", "steps=1", "data.batch=2", "data.size=32"]
    return str(tiny.root / "unconditional.toml"), [*settings, "data.augment=none", "validation.holdout=0"]


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path: Path, tiny: TinyRuns) -> None:
    hold = "import sys; from pathlib import Path; from scripts.lib.experiment import claimed\n"
    hold += "with claimed(Path(sys.argv[1])) as free:\n    print(free, flush=True)\n    input()"
    recipe, settings = one_step(tiny)
    experiment = Experiment("name", "Title", "Source", tmp_path, tmp_path, False, tmp_path, tmp_path)
    command = [sys.executable, "-c", hold, str(tmp_path / "claims" / "first")]
    with subprocess.Popen(command, cwd=paths.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert experiment.trained("first", recipe, tiny.images, settings) is None
        other.communicate("\n")
    assert experiment.unfinished == ["first"]
    assert not (tmp_path / "first").exists()
    assert experiment.trained("first", recipe, tiny.images, settings) == tmp_path / "first"


def an_experiment(work: Path) -> Experiment:
    return Experiment("name", "Title", "Source", work, work, False, work.parent / "results", work)


def test_a_run_that_was_measured_elsewhere_is_neither_trained_nor_measured_again(
    tmp_path: Path, tiny: TinyRuns
) -> None:
    recipe, settings = one_step(tiny)
    first = an_experiment(tmp_path / "here")
    assert first.measured("a", recipe, tiny.images, settings, lambda folder: {"of": folder.name}) == {"of": "a"}
    assert first.folders(["a"]) == [tmp_path / "here" / "a"]
    first.runs["a"] |= {"hours": 2.5, "hardware": ["a card"]}
    first.write()
    second = an_experiment(tmp_path / "there")
    assert second.measured("a", recipe, tiny.images, settings, lambda folder: {"of": "nothing"}) == {"of": "a"}
    assert second.measured("b", recipe, tiny.images, settings, lambda folder: {"of": "b"}) == {"of": "b"}
    assert (second.folders(["a", "b"]), second.unfinished) == ([], [])
    second.write()
    result = json.loads((tmp_path / "results" / "name.json").read_text(encoding="utf-8"))
    assert {run: record["values"]["of"] for run, record in result["runs"].items()} == {"a": "a", "b": "b"}
    assert result["training_hours"] >= 2.5
    assert "a card" in result["hardware"].split(" and ")
    assert hardware() in result["hardware"].split(" and ")
    third = an_experiment(tmp_path / "there")
    third.deadline = 0.0
    longer = [*settings, "log_every=7"]
    assert third.measured("a", recipe, tiny.images, longer, lambda folder: {"of": "other settings"}) is None
    assert third.unfinished == ["a"]


def test_a_finished_run_goes_on_to_more_steps_and_is_no_other_run(tmp_path: Path, tiny: TinyRuns) -> None:
    recipe, settings = one_step(tiny)
    experiment = an_experiment(tmp_path)
    assert experiment.trained("a", recipe, tiny.images, settings) is not None
    assert experiment.trained("a", recipe, tiny.images, [*settings, "steps=3"]) is not None
    lines = (tmp_path / "a" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert max(json.loads(line)["step"] for line in lines) == 3
    with pytest.raises(SystemExit, match=r"a: it was trained for 3 steps, and 1 are asked for; remove the folder"):
        experiment.trained("a", recipe, tiny.images, settings)
    with pytest.raises(SystemExit, match=r"a: the run was started with data.batch = 2, but the recipe now says 1"):
        experiment.trained("a", recipe, tiny.images, [*settings, "steps=3", "data.batch=1"])


def test_a_run_that_diverged_is_not_tried_again(
    tmp_path: Path, tiny: TinyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, settings = one_step(tiny)

    def diverges(*arguments: object, **more: object) -> None:
        tries.append(arguments)
        (tmp_path / "here" / "a").mkdir()
        (tmp_path / "here" / "a" / "recipe.json").write_text(load_recipe(recipe, settings).model_dump_json())
        raise Diverged("step 7: inf; the run has stopped")

    tries: list[object] = []
    monkeypatch.setattr("scripts.lib.experiment.train", diverges)
    for work in ("here", "here", "there"):
        experiment = an_experiment(tmp_path / work)
        assert experiment.measured("a", recipe, tiny.images, settings, lambda folder: {}) is None
        assert experiment.diverged("a")
        assert not experiment.diverged("b")
        assert not experiment.unfinished
        experiment.notes = ["Another note."]  # as a script says them, after its runs
        record = json.loads(experiment.write().read_text(encoding="utf-8"))
        assert record["notes"] == ["Another note.", "Run a diverged: step 7: inf."]
    assert len(tries) == 1
    with pytest.raises(SystemExit, match=r"a: the run was started with data.batch = 2, but the recipe now says 1"):
        an_experiment(tmp_path / "here").trained("a", recipe, tiny.images, [*settings, "data.batch=1"])
    slower = [*settings, "optimizer.learning_rate=1e-5"]
    with pytest.raises(SystemExit, match=r"a: it diverged at other learning rates; remove the folder"):
        an_experiment(tmp_path / "here").trained("a", recipe, tiny.images, slower)


def test_what_was_measured_stays_where_another_run_needs_the_folder(tmp_path: Path, tiny: TinyRuns) -> None:
    recipe, settings = one_step(tiny)
    experiment = an_experiment(tmp_path / "here")
    experiment.measured("a", recipe, tiny.images, settings, lambda folder: {"of": 1})
    assert experiment.trained("a", recipe, tiny.images, settings) is not None
    experiment.write()
    assert an_experiment(tmp_path / "there").knows("a", settings)


def test_a_result_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "name.json").write_text("{", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"name\.json: expected the JSON of an experiment"):
        an_experiment(tmp_path / "here").measured("a", "gan", None, [], lambda folder: {})


def test_a_signal_ends_the_experiment_and_not_its_run_alone(tmp_path: Path, tiny: TinyRuns) -> None:
    recipe, settings = one_step(tiny)
    program = "import sys; from pathlib import Path; from scripts.lib.experiment import Experiment\n"
    program += "work = Path(sys.argv[1])\n"
    program += "experiment = Experiment('name', 'Title', 'Source', work, work, False, work, work)\n"
    program += "experiment.trained('first', sys.argv[2], Path(sys.argv[3]), sys.argv[4:])\nprint('next')"
    words = [sys.executable, "-uc", program, str(tmp_path), recipe, str(tiny.images), *settings, "steps=100000"]
    with subprocess.Popen(
        words, cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith("step ") for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        assert "next\n" not in process.stdout
    assert process.returncode == 128 + signal.SIGTERM


def test_the_hardware_is_the_one_that_trained(tmp_path: Path, tiny: TinyRuns) -> None:
    experiment = Experiment("name", "Title", "Source", tmp_path, tmp_path, False, tmp_path, tmp_path)
    recipe, settings = one_step(tiny)
    for _ in range(2):
        experiment.trained("first", recipe, tiny.images, settings)
    (here,) = (tmp_path / "first" / HARDWARE).read_text(encoding="utf-8").splitlines()
    (tmp_path / "first" / HARDWARE).write_text(f"{here}\nanother machine\n", encoding="utf-8")
    experiment.trained("first", recipe, tiny.images, settings)
    record = json.loads(experiment.write().read_text(encoding="utf-8"))
    assert record["hardware"] == " and ".join(sorted([here, "another machine"]))


def test_jobs_begin_at_other_experiments_and_at_last_all_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, float | None]] = []

    def run(name: str, minutes: float | None, work: Path | None, smoke: bool) -> bool:
        called.append((name, minutes))
        return name != "gan"

    monkeypatch.setattr(every, "run", run)
    assert every.main(["--only", "vae", "gan", "--jobs", "3", "--smoke"]) == 1
    assert sorted(called[:6], key=str) == [("gan", None)] * 3 + [("vae", None)] * 3
    assert called[6:] == [("vae", every.ONLY_MEASURE), ("gan", every.ONLY_MEASURE)]
    with pytest.raises(SystemExit):
        every.main(["--jobs", "0"])


def test_experiments_are_modules_that_can_be_run() -> None:
    assert every.runnable("results")
    assert not every.runnable("toys")  # a folder without __main__
    assert not every.runnable("no_such_experiment")
    assert every.command("gan", 1.5, Path("runs"), True)[1:] == [
        *("-m", "scripts.experiments.gan", "--minutes", "1.50", "--work", "runs", "--smoke")
    ]
    assert every.main(["--only", "vae", "--minutes", "0", "--smoke"]) == 0
    with pytest.raises(SystemExit):
        every.main(["--only", "no-such-experiment"])
    assert paths.RESULTS.name == "results"
