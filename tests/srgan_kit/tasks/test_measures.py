"""LPIPS beside PSNR: where it is measured, by which weights, and what it is."""

from pathlib import Path

import pytest
import torch

from srgan_kit.errors import UserError
from srgan_kit.images.resize import resize_8bit
from srgan_kit.metrics.lpips import lpips_like
from srgan_kit.models.build import build_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.tasks.measures import PerceptualFigure, about_looks, mean_of_each

CPU = torch.device("cpu")
SMALL = ["data.patch=8", "generator.channels=4", "validation.holdout=2", "validation.holdout_part=1", "device=cpu"]
CRITIC = ["variant=gan", "critic={name='unet', channels=4}"]


def recipe(images: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, *more], images)


def test_only_runs_about_looks_are_measured_by_it(two_classes: Path) -> None:
    for setting in ("weights.lpips=1", "weights.perceptual=0.1"):
        assert about_looks(recipe(two_classes, setting))
    assert about_looks(recipe(two_classes, *CRITIC))
    assert not about_looks(recipe(two_classes, "weights.fourier=1", "weights.lpips=0"))
    assert not about_looks(load_recipe("vae"))


def test_it_is_the_mean_over_the_held_out_images_and_bicubic_stands_beside_it(
    two_classes: Path, squeezenet_file: Path, tmp_path: Path
) -> None:
    chosen = recipe(two_classes, *CRITIC, f"validation.lpips_weights={squeezenet_file}")
    task = build_task(chosen, CPU, tmp_path)
    model = build_model(chosen, task.condition).eval()
    measured = task.validate(model)
    assert [*measured] == ["psnr_y", "lpips_like", "bicubic_psnr_y", "bicubic_lpips_like"]
    distance = lpips_like(squeezenet_file)
    pairs = task.validation  # pyright: ignore[reportAttributeAccessIssue]
    with torch.inference_mode():
        outputs = [model.generate(None, low[None].float() / 255).clamp(0, 1) for low, _ in pairs]
    expected = [float(distance(output, high[None])) for output, (_, high) in zip(outputs, pairs, strict=True)]
    bicubic = [float(distance(resize_8bit(low, 4.0)[None], high[None])) for low, high in pairs]
    assert measured["lpips_like"] == pytest.approx(sum(expected) / 2, rel=1e-4)
    assert measured["bicubic_lpips_like"] == pytest.approx(sum(bicubic) / 2, rel=1e-4)


def test_a_terms_own_weights_serve_and_without_any_a_note_says_so(
    two_classes: Path, squeezenet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # where nothing was fetched
    images = torch.rand(1, 3, 32, 32)
    given = PerceptualFigure(recipe(two_classes, *CRITIC, f"lpips.weights={squeezenet_file}"), CPU)
    assert given(images, images) == {"lpips_like": 0.0}
    assert given(images[..., :16], images[..., :16]) == {}  # too small for the network
    task = build_task(recipe(two_classes, *CRITIC), CPU, tmp_path)
    assert [note for note in task.notes if "validation.lpips_weights" in note] == [
        "no LPIPS beside PSNR: SqueezeNet's weights are not at hand; validation.lpips_weights names their file"
    ]
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    fetched = tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    fetched.write_bytes(squeezenet_file.read_bytes())
    assert PerceptualFigure(recipe(two_classes, *CRITIC), CPU)(images, images) == {"lpips_like": 0.0}
    fetched.unlink()


def test_a_file_that_is_none_is_named(two_classes: Path, tmp_path: Path) -> None:
    (tmp_path / "no.pth").write_text("no weights")
    with pytest.raises(UserError, match=r"^recipe: validation\.lpips_weights: .*no\.pth cannot be read"):
        PerceptualFigure(recipe(two_classes, *CRITIC, f"validation.lpips_weights={tmp_path / 'no.pth'}"), CPU)


def test_means_are_of_the_images_that_have_a_figure() -> None:
    assert mean_of_each([{"a": 1.0, "b": 4.0}, {"a": 2.0}]) == {"a": 1.5, "b": 4.0}
    assert mean_of_each([]) == {}
