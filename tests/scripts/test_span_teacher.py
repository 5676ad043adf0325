"""A slim SPAN file becomes a whole checkpoint that computes the same."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.pretrained.teachers.span import branches, main
from srgan_kit.models.super_resolution import load_model


def test_the_branches_sum_to_the_convolution() -> None:
    weight, bias = torch.randn(5, 3, 3, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    parts = {name: value.double() for name, value in branches(weight, bias).items()}
    image = torch.rand(1, 3, 7, 9, dtype=torch.float64)
    seen = F.pad(image, (1, 1, 1, 1))
    for layer in ("conv.0", "conv.1", "conv.2"):
        seen = F.conv2d(seen, parts[f"{layer}.weight"], parts[f"{layer}.bias"])
    side = F.conv2d(image, parts["sk.weight"], parts["sk.bias"])
    torch.testing.assert_close(seen + side, F.conv2d(image, weight, bias, padding=1))


def plain_span(slim: dict[str, Tensor], image: Tensor) -> Tensor:
    """SPAN from its paper: the attention of a block is a function of its own result (arXiv:2311.12770, sec. 3)."""

    def convolved(name: str, x: Tensor) -> Tensor:
        weight = slim[f"{name}.weight"]
        return F.conv2d(x, weight, slim[f"{name}.bias"], padding=weight.shape[-1] // 2)

    mean = torch.tensor([0.4488, 0.4371, 0.4040])[:, None, None]
    first = convolved("conv_1.eval_conv", (image - mean) * 255)
    results, hidden, inner = [], first, first
    for number in range(1, 7):
        inner = F.silu(convolved(f"block_{number}.c1_r.eval_conv", hidden))
        found = F.silu(convolved(f"block_{number}.c2_r.eval_conv", inner))
        found = convolved(f"block_{number}.c3_r.eval_conv", found)
        hidden = (found + hidden) * (torch.sigmoid(found) - 0.5)
        results.append(hidden)
    joined = torch.cat([first, convolved("conv_2.eval_conv", hidden), results[0], inner], dim=1)
    return F.pixel_shuffle(convolved("upsampler.0", convolved("conv_cat", joined)), 4)


def test_the_whole_checkpoint_computes_what_the_slim_one_means(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data_folder / "weights" / "team38_span_ch28_slim.pth"
    target = tmp_path / "teacher.safetensors"
    monkeypatch.setattr("sys.argv", ["span_teacher.py", str(path), str(target)])
    main()
    slim = torch.load(path, map_location="cpu", weights_only=True)
    image = torch.rand(1, 3, 19, 24)
    torch.testing.assert_close(load_model(target).network(image), plain_span(slim, image), atol=1e-5, rtol=0)


def test_what_is_no_slim_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    target = tmp_path / "teacher.safetensors"
    monkeypatch.setattr("sys.argv", ["span_teacher.py", str(tmp_path / "other.pth"), str(target)])
    with pytest.raises(SystemExit, match=r"other\.pth: expected a slim SPAN checkpoint"):
        main()
    assert not target.exists()
