"""`srgan-kit reconstruct` on runs of a few steps."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srgan_kit.data.image_dataset import DatasetSettings, load_dataset
from srgan_kit.images.grid import below_each_other
from srgan_kit.images.resize import resize_8bit
from srgan_kit.models.generative import load_saved

Command = Callable[..., tuple[int, str, str]]
TinyRun = Callable[[str], Path]
SIDE = 64
GAP = 6


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pairs(sheet: str = "reconstructions.png") -> np.ndarray:
    """(rows, columns, 2, side, side, C): originals and reconstructions."""
    pixels = np.asarray(Image.open(sheet))
    pixels = pixels.reshape(*pixels.shape[:2], -1)[GAP:, GAP:]
    rows, columns = pixels.shape[0] // (2 * SIDE + GAP), pixels.shape[1] // (SIDE + GAP)
    table = pixels.reshape(rows, 2 * SIDE + GAP, columns, SIDE + GAP, -1).transpose(0, 2, 1, 3, 4)
    return table[:, :, : 2 * SIDE, :SIDE].reshape(rows, columns, 2, SIDE, SIDE, -1)


def psnr_of(pair: np.ndarray) -> float:
    """PSNR in dB of one original and its reconstruction, as drawn."""
    original, made = pair.astype(float) / 255
    return -10 * np.log10(((original - made) ** 2).mean())


def test_originals_above_reconstructions_and_the_psnr_of_each(
    tiny_run: TinyRun, command: Command, two_classes: Path
) -> None:
    status, out, err = command("reconstruct", tiny_run("vae"), two_classes / "left", "--device", "cpu")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["image", "PSNR"]
    assert [line.split()[0] for line in lines[1:5]] == [str(two_classes / "left" / f"{n}.png") for n in (1, 3, 5, 7)]
    assert lines[-1] == "reconstructions.png: 4 images"
    drawn = pairs()
    assert drawn.shape[:2] == (1, 4)
    printed = [float(line.split()[1]) for line in lines[1:5]]
    assert printed == pytest.approx([psnr_of(pair) for pair in drawn[0]], abs=0.05)
    assert float(lines[5].split()[1]) == pytest.approx(np.mean(printed), abs=0.01)


def test_the_originals_are_what_training_would_hold_out(tiny_run: TinyRun, command: Command, two_classes: Path) -> None:
    command("reconstruct", tiny_run("vae"), two_classes / "left")
    settings = DatasetSettings(size=16, channels=3, seed=0, holdout=3)
    held = load_dataset(two_classes / "left", settings).held_out.images
    shown = pairs()[0, :, 0, ::4, ::4].transpose(0, 3, 1, 2)
    for image in held.numpy():
        assert any(np.array_equal(image, each) for each in shown)


def test_the_reconstructions_are_the_models(tiny_run: TinyRun, command: Command, two_classes: Path) -> None:
    command("reconstruct", tiny_run("autoencoder"), two_classes / "left" / "1.png")
    original, made = pairs()[0, 0, :, ::4, ::4, 0]
    model = load_saved(tiny_run("autoencoder")).model
    with torch.no_grad():
        expected = model.reconstruct(torch.from_numpy(original.copy())[None, None].float() / 255)
    assert np.array_equal(made, expected[0, 0].mul(255).round().byte().numpy())


def test_globs_and_folders_below(tiny_run: TinyRun, command: Command, two_classes: Path) -> None:
    run = tiny_run("vae")
    status, out, _ = command("reconstruct", run, f"{two_classes}/*/[01].png", "--columns", 1)
    assert (status, out.splitlines()[-1]) == (0, "reconstructions.png: 2 images")
    assert pairs().shape[:2] == (2, 1)
    status, out, _ = command("reconstruct", run, two_classes, "-r", "-o", "all.png")
    assert (status, out.splitlines()[-1]) == (0, "all.png: 8 images")
    status, _, err = command("reconstruct", run, two_classes, "-o", "none.png")
    assert (status, err.count("\n")) == (1, 1)
    assert "--recursive looks into its folders" in err
    assert not Path("none.png").exists()


def test_an_npz_gives_its_test_set_evenly(tiny_run: TinyRun, command: Command) -> None:
    levels = np.arange(20, dtype=np.uint8)[:, None, None] * np.ones((1, 16, 16), np.uint8)
    np.savez("digits.npz", x_train=255 - levels, x_test=levels)
    status, out, err = command("reconstruct", tiny_run("autoencoder"), "digits.npz", "-n", 5)
    assert (status, err) == (0, "note: 5 of 20 images, taken evenly; -n takes more\n")
    assert [line.split()[0] for line in out.splitlines()[1:6]] == [f"digits.npz[{n}]" for n in (0, 4, 8, 12, 16)]
    assert pairs()[0, :, 0, 0, 0, 0].tolist() == [0, 4, 8, 12, 16]
    np.savez("few.npz", images=levels[:3])
    status, out, _ = command("reconstruct", tiny_run("autoencoder"), "few.npz", "-o", "few.png")
    assert (status, out.splitlines()[-1]) == (0, "few.png: 3 images")


def test_a_super_resolver_with_an_encoder_sees_the_small_image_too(
    tiny_run: TinyRun, command: Command, two_classes: Path
) -> None:
    assert command("reconstruct", tiny_run("detail"), two_classes / "left" / "1.png")[0] == 0
    original, made = torch.from_numpy(pairs()[0, 0, :, ::4, ::4].transpose(0, 3, 1, 2).copy())
    low = resize_8bit(original, 1 / 4)
    assert low.shape == (3, 4, 4)
    with torch.no_grad():
        model = load_saved(tiny_run("detail")).model
        expected = model.reconstruct(original[None].float() / 255, low[None].float() / 255)
    assert torch.equal(made, expected[0].clamp(0, 1).mul(255).round().byte())


def test_features_are_inverted_with_the_networks_weights(
    tiny_run: TinyRun, command: Command, two_classes: Path, vgg_file: Path
) -> None:
    arguments = ("reconstruct", tiny_run("inversion"), two_classes / "left")
    status, out, err = command(*arguments, "--weights", vgg_file)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "reconstructions.png: 4 images"
    state = torch.load(vgg_file)
    torch.save({name: -value for name, value in state.items()}, "other.pth")
    assert command(*arguments, "--weights", "other.pth", "-o", "other.png")[0] == 0
    assert not np.array_equal(pairs()[:, :, 1], pairs("other.png")[:, :, 1])
    status, _, err = command(*arguments, "--weights", "none.pth", "-o", "none.png")
    assert (status, err.count("\n")) == (2, 1)
    assert "none.pth" in err


def test_an_autoregressive_decoder_says_that_it_is_slow(tiny_run: TinyRun, command: Command, two_classes: Path) -> None:
    status, _, err = command("reconstruct", tiny_run("pixel-autoencoder"), two_classes / "left")
    assert (status, err) == (0, "note: 4 images are drawn value after value, which takes a while\n")
    assert {0, 85, 170, 255} >= set(np.unique(pairs()[:, :, 1]))


def test_what_fails_is_named_and_the_others_are_done(tiny_run: TinyRun, command: Command, two_classes: Path) -> None:
    Path("broken.png").write_bytes((two_classes / "left" / "1.png").read_bytes()[:300])
    Path("broken.npz").write_text("nothing")
    inputs = ("none.png", two_classes / "left" / "1.png", "broken.png", "broken.npz")
    status, out, err = command("reconstruct", tiny_run("vae"), *inputs)
    assert status == 1
    errors = sorted(err.splitlines())
    assert [line.split(":")[1].strip() for line in errors] == ["broken.npz", "broken.png", "none.png"]
    assert all(line.startswith("error: ") for line in errors)
    assert out.splitlines()[-1] == "reconstructions.png: 1 images"
    assert pairs().shape[:2] == (1, 1)


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        ("gan", [], "gan has no encoder and inverts no features: it cannot reconstruct"),
        ("steered", [], "steered has no encoder and inverts no features"),
        ("plain", [], "not a generative model"),
        ("vae", ["--weights", "vgg.pth"], "--weights vgg.pth: vae inverts no features"),
        ("vae", ["-o", "sheet.ppm"], "sheet.ppm: expected a name ending in"),
        ("vae", ["-o", "none/sheet.png"], "there is no folder none"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    tiny_run: TinyRun, command: Command, two_classes: Path, tmp_path: Path, run: str, options: list[str], message: str
) -> None:
    status, out, err = command("reconstruct", tiny_run(run), two_classes / "left", *options)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_nowhere_are_asked_for(
    tiny_run: TinyRun, command: Command, two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path / "hub")
    try:
        status, _, err = command("reconstruct", tiny_run("inversion"), two_classes / "left")
    finally:
        torch.hub.set_dir(before)
    assert status == 2
    assert "--weights FILE takes those that the run was trained with" in err.splitlines()[-1]
    assert not Path("reconstructions.png").exists()


def test_nothing_is_overwritten_unasked_and_no_input_at_all(
    tiny_run: TinyRun, command: Command, two_classes: Path
) -> None:
    shutil.copy(two_classes / "left" / "1.png", "reconstructions.png")
    before = Path("reconstructions.png").read_bytes()
    run = tiny_run("vae")
    status, _, err = command("reconstruct", run, two_classes / "left")
    assert (status, err) == (2, "error: reconstructions.png: exists already; --overwrite replaces it\n")
    status, _, err = command("reconstruct", run, "reconstructions.png", "--overwrite")
    assert (status, err) == (2, "error: reconstructions.png: an input, and the image would replace it\n")
    assert Path("reconstructions.png").read_bytes() == before
    assert command("reconstruct", run, two_classes / "left", "--overwrite")[0] == 0
    assert pairs().shape[:2] == (1, 4)


def test_pairs_stay_together_where_the_last_row_is_not_full() -> None:
    above = torch.arange(3).view(3, 1, 1, 1).expand(-1, -1, 32, 32) / 10
    sheet = below_each_other(above, above + 0.5, columns=2)
    assert sheet.shape == (1, 2 * 70 + 6, 2 * 38 + 6)
    for number in range(3):
        top, left = 6 + 70 * (number // 2), 6 + 38 * (number % 2)
        assert sheet[0, top, left].item() == pytest.approx(number / 10)
        assert sheet[0, top + 32, left].item() == pytest.approx(number / 10 + 0.5)
    assert sheet[0, 6 + 70 :, 6 + 38 :].min() == 1
