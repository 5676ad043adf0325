"""`srgan-kit generate` on runs of a few steps, and which latent vectors an image shows."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.generators import sampling as latents
from srgan_kit.generators.model import LatentConfig
from srgan_kit.models.generative import load_saved
from srgan_kit.models.pretrained import pretrained_generators

GAP = 2
"""Pixels between the images of an image."""
Command = Callable[..., tuple[int, str, str]]
TinyRun = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cells(sheet: Path | str, side: int = 64) -> np.ndarray:
    """(rows, columns, side, side, C) of an image of square images."""
    pixels = np.asarray(Image.open(sheet))
    pixels = pixels.reshape(*pixels.shape[:2], -1)[GAP:, GAP:]
    height, width, channels = pixels.shape
    assert height % (side + GAP) == width % (side + GAP) == 0
    rows = pixels.reshape(height // (side + GAP), side + GAP, width // (side + GAP), side + GAP, channels)
    return rows.transpose(0, 2, 1, 3, 4)[:, :, :side, :side]


# --- grids of samples -----------------------------------------------------------------------------------------------


def test_a_grid_of_samples_by_default(tiny_run: TinyRun, command: Command) -> None:
    status, out, err = command("generate", tiny_run("gan"), "--device", "cpu")
    assert (status, out, err) == (0, "samples.png: 64 images, seed 0\n", "")
    images = cells("samples.png").reshape(64, -1)
    assert len(np.unique(images, axis=0)) == 64


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tiny_run: TinyRun, command: Command) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert command("generate", tiny_run("infogan"), "-n", 9, "-o", f"{name}.png", "--seed", seed)[0] == 0
    a, b, c = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_a_run_folder_is_as_good_as_its_model_file(tiny_run: TinyRun, command: Command) -> None:
    command("generate", tiny_run("gan"), "-n", 4, "-o", "folder.png")
    command("generate", tiny_run("gan") / "model.safetensors", "-n", 4, "-o", "file.png")
    assert Path("folder.png").read_bytes() == Path("file.png").read_bytes()


def test_fewer_images_are_the_first_of_more(tiny_run: TinyRun, command: Command) -> None:
    command("generate", tiny_run("infogan"), "-n", 6, "--columns", 3, "-o", "few.png")
    command("generate", tiny_run("infogan"), "-n", 12, "--columns", 3, "-o", "many.png")
    few, many = cells("few.png"), cells("many.png")
    assert few.shape[:2] == (2, 3)
    assert many.shape[:2] == (4, 3)
    assert np.abs(few.astype(int) - many[:2]).max() <= 1  # convolutions of another batch may round otherwise


def test_the_picture_is_of_the_kind_that_its_name_says(tiny_run: TinyRun, command: Command) -> None:
    assert command("generate", tiny_run("gan"), "-n", 1, "-o", "one.webp")[0] == 0
    with Image.open("one.webp") as image:
        assert image.format == "WEBP"


def test_truncated_noise_makes_images_more_alike(tiny_run: TinyRun, command: Command) -> None:
    command("generate", tiny_run("gan"), "-o", "all.png")
    command("generate", tiny_run("gan"), "-o", "typical.png", "--truncation", 0.1)
    spread = [cells(name).reshape(64, -1).std(axis=0).mean() for name in ("all.png", "typical.png")]
    assert spread[1] < spread[0] / 2


# --- interpolation and traversal ------------------------------------------------------------------------------------


def test_rows_of_an_interpolation_start_at_samples(tiny_run: TinyRun, command: Command) -> None:
    assert command("generate", tiny_run("gan"), "--interpolate", "-n", 3, "--columns", 5, "-o", "i.png")[0] == 0
    command("generate", tiny_run("gan"), "-n", 6, "--columns", 1, "-o", "s.png")
    rows, samples = cells("i.png").astype(int), cells("s.png").astype(int)
    assert rows.shape[:2] == (3, 5)
    assert np.abs(rows[:, 0] - samples[:3, 0]).max() <= 1
    assert np.abs(rows[:, 4] - samples[3:, 0]).max() <= 1
    steps = np.abs(np.diff(rows, axis=1)).mean(axis=(2, 3, 4))
    assert (steps > 0).all()


@pytest.mark.parametrize("code", ["categorical.0", "categorical.1", "continuous.1", "noise.3"])
def test_along_a_row_only_the_code_changes(tiny_run: TinyRun, code: str) -> None:
    saved = load_saved(tiny_run("infogan"))
    latent = saved.recipe.latent
    found = latents.find_code(code, latent)
    values = latents.code_values(found, latent, 5)
    table = latents.traversal(latents.draw(saved.model, 4, seed=1), found, values)
    vectors = saved.model.vector(table.noise, table.codes)
    assert vectors is not None
    vectors = vectors.view(4, len(values), -1)
    places = {"noise.3": [3], "categorical.0": [6, 7, 8], "categorical.1": [9, 10], "continuous.1": [12]}[code]
    others = [place for place in range(13) if place not in places]
    assert torch.equal(vectors[..., others], vectors[:, :1, others].expand(-1, len(values), -1))
    expected = torch.eye(len(values)) if "categorical" in code else torch.tensor([[-2.0], [-1], [0], [1], [2]])
    assert torch.equal(vectors[..., places], expected.expand(4, -1, -1))
    assert len(vectors[:, 0, others].unique(dim=0)) == 4


def test_the_columns_of_a_traversal_are_explained(tiny_run: TinyRun, command: Command) -> None:
    run = tiny_run("infogan")
    status, out, _ = command("generate", run, "--traverse", "categorical.0", "-n", 2, "-o", "classes.png")
    assert (status, out) == (0, "classes.png: 6 images, seed 0\ncolumns, categorical.0: left right 2\n")
    assert cells("classes.png").shape[:2] == (2, 3)
    _, out, _ = command("generate", run, "--traverse", "categorical.1", "-o", "other.png")
    assert out.splitlines()[1] == "columns, categorical.1: 0 1"
    assert cells("other.png").shape[:2] == (8, 2)
    _, out, _ = command("generate", run, "--traverse", "continuous.0", "--columns", 3, "-n", 1, "-o", "values.png")
    assert out.splitlines()[1] == "columns, continuous.0: -2 0 2"
    assert cells("values.png").shape[:2] == (1, 3)


def test_there_is_one_row_where_nothing_else_could_differ(tiny_run: TinyRun, command: Command) -> None:
    command("generate", tiny_run("unlabelled"), "--traverse", "categorical.0")
    assert cells("samples.png").shape[:2] == (1, 3)


# --- classes --------------------------------------------------------------------------------------------------------


def test_a_class_by_name_and_by_number_sets_the_first_code(tiny_run: TinyRun, command: Command) -> None:
    run = tiny_run("infogan")
    command("generate", run, "-n", 4, "--class", "right", "-o", "name.png", "--columns", 1)
    command("generate", run, "-n", 4, "--class", 1, "-o", "number.png")
    command("generate", run, "-n", 4, "--traverse", "categorical.0", "-o", "all.png")
    assert Image.open("name.png").size == (GAP + 64 + GAP, 4 * (64 + GAP) + GAP)
    named, numbered, every = (cells(f"{name}.png").astype(int) for name in ("name", "number", "all"))
    assert np.array_equal(named.reshape(4, -1), numbered.reshape(4, -1))
    assert np.abs(named[:, 0] - every[:, 1]).max() <= 1
    assert np.abs(named[:, 0] - every[:, 0]).max() > 1


def test_a_class_that_was_learned_without_labels_has_a_number_and_a_note(tiny_run: TinyRun, command: Command) -> None:
    status, _, err = command("generate", tiny_run("unlabelled"), "--class", 2, "-n", 1)
    assert status == 0
    assert err == "note: unlabelled chose its 3 classes itself, without labels\n"


# --- super-resolution and autoregressive models ---------------------------------------------------------------------


@pytest.fixture
def low(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "low.png")
    return tmp_path / "low.png"


def test_a_super_resolver_enlarges_one_image_differently(tiny_run: TinyRun, command: Command, low: Path) -> None:
    status, out, err = command("generate", tiny_run("steered"), "--condition", low)
    assert (status, out, err) == (0, "samples.png: 16 images, seed 0\n", "")
    images = cells("samples.png", side=64)
    assert images.shape[:2] == (4, 4)
    assert len(np.unique(images.reshape(16, -1), axis=0)) == 16
    small = images.astype(float).reshape(16, 16, 4, 16, 4, 3).mean(axis=(2, 4))
    for image in small:  # they are all still that image
        assert np.corrcoef(image.ravel(), np.asarray(Image.open(low)).ravel())[0, 1] > 0.6
    command("generate", tiny_run("steered"), "--condition", low, "--traverse", "categorical.0", "-n", 2, "-o", "t.png")
    assert cells("t.png").shape[:2] == (2, 3)


def test_an_autoregressive_model_says_that_it_is_slow(tiny_run: TinyRun, command: Command) -> None:
    status, out, err = command("generate", tiny_run("pixel"))
    assert (status, out) == (0, "samples.png: 16 images, seed 0\n")
    assert err == "note: 16 images are drawn value after value, which takes a while\n"
    assert {0, 85, 170, 255} >= set(np.unique(cells("samples.png")))
    command("generate", tiny_run("pixel"), "-o", "again.png")
    assert Path("samples.png").read_bytes() == Path("again.png").read_bytes()


def test_what_an_autoregressive_model_draws_is_the_same_along_a_row(tiny_run: TinyRun) -> None:
    saved = load_saved(tiny_run("pixel"))
    drawn = latents.draw(saved.model, 3, seed=0)
    images = latents.make_images(saved.model, drawn.repeated(4), seed=0).view(3, 4, -1)
    assert torch.equal(images, images[:, :1].expand(-1, 4, -1))
    assert len(images[:, 0].unique(dim=0)) == 3


def test_the_values_to_draw_are_those_that_are_drawn(tiny_run: TinyRun) -> None:
    saved = load_saved(tiny_run("pixel"))
    drawn: list[int] = []
    with latents.each_value_drawn(saved.model, drawn.append):
        latents.make_images(saved.model, latents.draw(saved.model, 3, seed=0).repeated(2))
    assert sum(drawn) == latents.values_to_draw(saved.model, 6) == 6 * 8 * 8
    assert not saved.model.decoder.head._forward_hooks  # pyright: ignore


def test_an_autoregressive_super_resolver_enlarges_the_middle(tiny_run: TinyRun, command: Command, low: Path) -> None:
    run = tiny_run("pixel-super-resolution")
    status, _, err = command("generate", run, "--condition", low, "-n", 2)
    assert status == 0
    assert f"only the middle 4x4 pixels of {low} are upscaled" in err
    Image.open(low).crop((6, 6, 10, 10)).save("middle.png")
    command("generate", run, "--condition", "middle.png", "-n", 2, "-o", "same.png")
    assert Path("samples.png").read_bytes() == Path("same.png").read_bytes()
    Image.new("RGB", (3, 9)).save("small.png")
    status, _, err = command("generate", run, "--condition", "small.png", "-o", "none.png")
    assert (status, err) == (2, "error: --condition small.png: 3x9 pixels; expected at least 4x4\n")


def test_an_encoders_codes_without_a_prior_are_warned_of(tiny_run: TinyRun, command: Command) -> None:
    status, _, err = command("generate", tiny_run("autoencoder"), "-n", 1)
    assert (status, err) == (0, "note: autoencoder learned codes without a prior: noise may make nothing like them\n")
    status, _, err = command("generate", tiny_run("vae"), "-n", 1, "--overwrite")
    assert (status, err) == (0, "")


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        ("infogan", ["--class", "up"], "--class up: expected left, right, or a number from 0 to 2"),
        ("infogan", ["--class", "3"], "--class 3: expected left, right, or a number from 0 to 2"),
        ("unlabelled", ["--class", "left"], "a number from 0 to 2; names need a run with labels"),
        ("gan", ["--class", "0"], "gan has no categorical code"),
        ("infogan", ["--class", "0", "--traverse", "categorical.0"], "expected one of them, got both"),
        ("infogan", ["--interpolate", "--traverse", "noise.0"], "expected one of them, got both"),
        (
            "infogan",
            ["--traverse", "style"],
            "code 'style': this model has categorical.0 ... categorical.1, continuous.0 ... continuous.1, "
            "noise.0 ... noise.5",
        ),
        ("infogan", ["--traverse", "categorical.2"], "code 'categorical.2': this model has"),
        ("infogan", ["--traverse", "categorical.0", "--columns", "4"], "categorical.0 has 3 classes, one in each"),
        ("unlabelled", ["--interpolate"], "--interpolate: unlabelled makes images without noise"),
        ("unlabelled", ["--truncation", "1"], "--truncation: unlabelled makes images without noise"),
        ("gan", ["--truncation", "0"], "--truncation 0: expected more than 0"),
        ("gan", ["--truncation", "nan"], "--truncation nan: expected more than 0"),
        ("gan", ["-o", "samples.xyz"], "samples.xyz: expected a name ending in .png"),
        ("gan", ["-o", "none/samples.png"], "there is no folder none"),
        ("gan", ["--condition", "low.png"], "gan makes images of nothing but noise and codes"),
        ("gan", ["--device", "abacus"], "device 'abacus': expected"),
        ("steered", [], "steered upscales images: give one with --condition IMAGE"),
        ("steered", ["--condition", "none.png"], "none.png: cannot be read: No such file"),
        ("steered", ["--condition", "samples.png"], "--condition samples.png: the image would replace it"),
        ("plain", ["--condition", "low.png"], "not a generative model; `srgan-kit upscale -m` takes super-resolvers"),
        ("inversion", [], "inversion makes images of features: see `srgan-kit reconstruct`"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    tiny_run: TinyRun, command: Command, tmp_path: Path, run: str, options: list[str], message: str
) -> None:
    status, out, err = command("generate", tiny_run(run), *options)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("x4-fidelity", "model x4-fidelity: upscales images: see `srgan-kit upscale`"),
        (
            "nowhere",
            f"neither a run folder, a file nor a pretrained model ({', '.join(pretrained_generators()) or 'none'})",
        ),
        (".", "no model in it; a run writes model.safetensors at its first validation"),
    ],
)
def test_what_is_no_generative_model_is_named(command: Command, model: str, message: str) -> None:
    status, _, err = command("generate", model)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1


def test_a_damaged_model_is_named(tiny_run: TinyRun, command: Command) -> None:
    whole = (tiny_run("gan") / "model.safetensors").read_bytes()
    Path("half.safetensors").write_bytes(whole[: len(whole) // 2])
    status, _, err = command("generate", "half.safetensors")
    assert status == 2
    assert "not a readable safetensors file" in err


def test_nothing_is_overwritten_unasked(tiny_run: TinyRun, command: Command) -> None:
    Path("samples.png").write_text("mine")
    status, _, err = command("generate", tiny_run("gan"))
    assert (status, err) == (2, "error: samples.png: exists already; --overwrite replaces it\n")
    assert Path("samples.png").read_text() == "mine"
    assert command("generate", tiny_run("gan"), "-n", 1, "--overwrite")[0] == 0
    assert cells("samples.png").shape[:2] == (1, 1)


def test_a_picture_that_cannot_be_written_leaves_nothing(tiny_run: TinyRun, command: Command, tmp_path: Path) -> None:
    model = shutil.copy(tiny_run("gan") / "model.safetensors", tmp_path / "tiny.safetensors")
    status, _, err = command("generate", model, "-n", 4000, "--columns", 4000, "-o", "wide.webp")  # 16383 at most
    assert status == 2
    assert re.fullmatch(r"error: wide\.webp: .+\n", err)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.safetensors"]


# --- the mathematics ------------------------------------------------------------------------------------------------


def test_slerp_of_a_quarter_turn() -> None:
    start, end = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    half = 2**0.5
    for position, expected in ((0.0, [2, 0]), (0.5, [half, half]), (1.0, [0, 2]), (1 / 3, [3**0.5, 1])):
        torch.testing.assert_close(latents.slerp(start, end, position), torch.tensor(expected, dtype=torch.float32))


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_slerp_keeps_the_norm_and_the_ends(seed: int, position: float) -> None:
    start, end = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(latents.slerp(start, end, 0), start, atol=1e-6)
    assert torch.allclose(latents.slerp(start, end, 1), end, atol=1e-6)
    end = end * (start.norm(dim=1) / end.norm(dim=1))[:, None]
    between = latents.slerp(start, end, position)
    assert torch.allclose(between.norm(dim=1), start.norm(dim=1), rtol=1e-5)
    cosine = torch.cosine_similarity
    angle, part = torch.acos(cosine(start, end).clamp(-1, 1)), torch.acos(cosine(start, between).clamp(-1, 1))
    assert torch.allclose(part, position * angle, atol=2e-3)


def test_slerp_is_linear_where_the_sphere_gives_no_way() -> None:
    start, end = torch.tensor([[1.0], [3.0]]), torch.tensor([[3.0], [-1.0]])  # the same way, and the opposite one
    assert torch.equal(latents.slerp(start, end, 0.5), torch.tensor([[2.0], [1.0]]))


def test_truncated_noise_is_within_its_bound_and_keeps_what_was() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200_000, generator=generator)
    inside = latents.truncated(noise, 0.8, generator)
    assert inside.abs().max() <= 0.8
    kept = noise.abs() <= 0.8
    assert torch.equal(inside[kept], noise[kept])
    # Variance of a standard normal variable cut at +-t: 1 - 2 t phi(t) / (2 Phi(t) - 1).
    density = np.exp(-(0.8**2) / 2) / np.sqrt(2 * np.pi)
    variance = 1 - 2 * 0.8 * density / torch.erf(torch.tensor(0.8 / 2**0.5)).item()
    assert inside.var().item() == pytest.approx(variance, rel=0.01)
    assert abs(inside.mean().item()) < 0.005


def test_a_model_without_a_latent_vector_has_no_codes() -> None:
    with pytest.raises(UserError, match=r"code 'noise\.0': this model has no latent vector"):
        latents.find_code("noise.0", LatentConfig())
