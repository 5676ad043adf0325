"""`srgan-kit demo` with a small network, five images, their PSNRs and a page; with its own, a JPEG photograph too."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan_kit.cli.demo import CLEAN, CLOSE_UP_SIDE, GAP, LABEL_HEIGHT, ZOOM, Panel, demo, draw_side_by_side
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.images.read import read_image
from srgan_kit.models.super_resolution import save_model
from srgan_kit.upscaling.auto import choose
from srgan_kit.upscaling.upscaler import Upscaler, evidence_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = ResidualSRConfig(scale=4, channels=4, groups=1, convolutions=1)
    file = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(config.build(), config, file, {})
    return file


FILES = ["before.png", "bicubic.png", "tiny.png", "original.png", "side-by-side.png", "compare.html"]


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_writes_five_images_and_a_page_and_prints_their_paths(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "demo"
    demo(output=folder, models=[str(model)])
    printed = capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert read(folder / "before.png").shape == (128, 128, 3)
    original = read(folder / "original.png")
    for name in ("bicubic.png", "tiny.png"):
        image = read(folder / name)
        assert image.shape == original.shape == (512, 512, 3)
        assert np.abs(image.astype(int) - original).mean() < 15
    assert [line for line in printed.splitlines() if line.startswith(str(folder))] == [
        str(folder / name) for name in FILES
    ]
    page = (folder / "compare.html").read_text(encoding="utf-8")
    assert "before.png → tiny.png" in page
    assert page.count("data:image/png") == 2
    assert "128x128 -> 512x512" in printed
    assert "bicubic" in printed
    assert "tiny" in printed


def test_overwrites_only_when_asked(model: Path, tmp_path: Path) -> None:
    (tmp_path / "bicubic.png").write_text("mine")
    with pytest.raises(UserError, match=r"bicubic\.png: exists already"):
        demo(output=tmp_path, models=[str(model)])
    assert [path.name for path in tmp_path.iterdir()] == ["bicubic.png"]
    demo(output=tmp_path, models=[str(model)], overwrite=True)
    assert read(tmp_path / "bicubic.png").shape == (512, 512, 3)


def test_the_default_shows_two_embedded_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo(output=tmp_path)
    printed = capsys.readouterr().out
    clean, compressed = printed.split("coffee")
    scores = {line.split()[0]: float(line.split()[1]) for line in clean.splitlines() if line.endswith(" dB")}
    assert scores["x4-fidelity"] > scores["x4-perceptual"] > scores["bicubic"]  # texture costs PSNR
    bicubic, photo = (float(line.split()[1]) for line in compressed.splitlines() if line.endswith(" dB"))
    assert photo > bicubic
    assert read(tmp_path / "side-by-side.png").shape[1] > 5 * CLOSE_UP_SIDE * ZOOM
    assert read(tmp_path / "jpeg-side-by-side.png").shape[1] > 4 * CLOSE_UP_SIDE * ZOOM
    assert choose(evidence_of(read_image(tmp_path / "jpeg-before.jpg")), 4).model == "x4-photo"  # as -m auto does
    before = read_image(tmp_path / "jpeg-before.jpg").pixels
    assert np.array_equal(read(tmp_path / "jpeg-x4-photo.png"), Upscaler("x4-photo", "cpu").upscale(before))
    assert "jpeg-before.jpg → jpeg-x4-photo.png" in (tmp_path / "compare.html").read_text(encoding="utf-8")


def test_models_must_fit_each_other(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x2-fidelity: expected a scale of 4 as of .*tiny\.safetensors, got 2"):
        demo(output=tmp_path, models=[str(model), "x2-fidelity"])
    with pytest.raises(UserError, match="expected different names"):
        demo(output=tmp_path, models=[str(model), str(model)])
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be written to"):
        demo(output=tmp_path / "file", models=[str(model)])


def test_panels_show_the_close_ups_enlarged_under_labels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    drawn = draw_side_by_side([Panel("left", image), Panel("a very long label " * 5, 255 - image)], CLEAN.close_ups)
    side = CLOSE_UP_SIDE * ZOOM
    assert drawn.shape == (LABEL_HEIGHT + len(CLEAN.close_ups) * (side + GAP), GAP + 2 * (side + GAP), 3)
    for row, (y, x) in enumerate(CLEAN.close_ups):
        top, left = LABEL_HEIGHT + row * (side + GAP), GAP + side + GAP
        shown = drawn[top : top + side : ZOOM, left : left + side : ZOOM]
        assert np.array_equal(shown, 255 - image[y : y + CLOSE_UP_SIDE, x : x + CLOSE_UP_SIDE])
    labels = drawn[:LABEL_HEIGHT]
    assert labels[:, :side].std() > 0
    assert (labels[:, -GAP:] == labels[0, 0]).all()  # the long label was made to fit
