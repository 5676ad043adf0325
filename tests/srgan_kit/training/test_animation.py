"""The animation of a run's sample sheets."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.animation import FRAMES, NAME, animate_sheets
from srgan_kit.training.loop import train


def sheets(run: Path, levels: list[int], size: tuple[int, int] = (20, 12)) -> None:
    (run / "sheets").mkdir(exist_ok=True)
    for number, level in enumerate(levels):
        Image.new("L", size, level).save(run / "sheets" / f"{number * 10:07d}.png")


def levels_of(animation: Path) -> list[int]:
    with Image.open(animation) as file:
        found: list[int] = []
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            found.append(int(np.asarray(file.convert("L"))[0, 0]))
        return found


def test_the_sheets_follow_each_other_in_the_order_of_their_steps(tmp_path: Path) -> None:
    sheets(tmp_path, [0, 200, 100])
    assert animate_sheets(tmp_path) == tmp_path / NAME
    assert levels_of(tmp_path / NAME) == [0, 200, 100]
    with Image.open(tmp_path / NAME) as file:
        assert (file.size, file.info["loop"]) == ((20, 12), 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "sheets"]


def test_steps_beyond_the_padding_of_the_names_come_last(tmp_path: Path) -> None:
    sheets(tmp_path, [0, 100])
    Image.new("L", (20, 12), 200).save(tmp_path / "sheets" / "10000000.png")
    animate_sheets(tmp_path)
    assert levels_of(tmp_path / NAME) == [0, 100, 200]


def test_of_many_sheets_evenly_chosen_ones_are_shown(tmp_path: Path) -> None:
    sheets(tmp_path, [number % 256 for number in range(2 * FRAMES)], (2, 2))
    animate_sheets(tmp_path)
    shown = levels_of(tmp_path / NAME)
    assert len(shown) == FRAMES
    assert (shown[0], shown[-1]) == (0, 2 * FRAMES - 1)
    assert set(np.diff(shown)) <= {2, 3}


def test_sheets_of_another_size_and_broken_ones_are_passed_over(tmp_path: Path) -> None:
    sheets(tmp_path, [0, 100, 200])
    Image.new("L", (40, 12), 50).save(tmp_path / "sheets" / "0000005.png")
    broken = tmp_path / "sheets" / "0000015.png"
    broken.write_bytes((tmp_path / "sheets" / "0000010.png").read_bytes()[:50])
    (tmp_path / "sheets" / "0000025.png").write_text("not an image")
    animate_sheets(tmp_path)
    assert levels_of(tmp_path / NAME) == [0, 100, 200]


@pytest.mark.parametrize("count", [None, 0, 1])
def test_without_two_sheets_there_is_nothing_to_show(tmp_path: Path, count: int | None) -> None:
    if count is not None:
        sheets(tmp_path, [7] * count)
    assert animate_sheets(tmp_path) is None
    assert not (tmp_path / NAME).exists()


def test_an_animation_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    sheets(tmp_path, [0, 100])
    (tmp_path / NAME).mkdir()
    with pytest.raises(UserError, match=r"progress\.gif: cannot be written"):
        animate_sheets(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "sheets"]


def test_a_run_that_ends_shows_its_progress(tiny_run: Callable[[str], Path]) -> None:
    run = tiny_run("gan")
    with Image.open(run / NAME) as animation, Image.open(run / "sheets" / "0000005.png") as sheet:
        assert getattr(animation, "n_frames", 1) == len(list((run / "sheets").iterdir())) == 2
        assert animation.size == sheet.size


def test_so_does_one_that_is_interrupted(tiny_run: Callable[[str], Path], two_classes: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate_json((tiny_run("gan") / "recipe.json").read_text())
    validation = recipe.validation.model_copy(update={"every": 1})
    longer = recipe.model_copy(update={"steps": 1_000_000, "validation": validation})

    def interrupt() -> None:
        while not (tmp_path / "run" / "sheets" / "0000002.png").exists():
            time.sleep(0.05)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    main = threading.current_thread()
    threading.Thread(target=interrupt, daemon=True).start()
    outcome = train(longer, tmp_path / "run")
    assert not outcome.finished
    assert (tmp_path / "run" / NAME).exists()
