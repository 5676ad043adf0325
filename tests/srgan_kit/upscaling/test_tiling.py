"""The measured receptive field, and that tiles change nothing."""

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.experiments.architectures.networks import AttentionConfig, DepthwiseConfig, LargeKernelConfig
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.reparameterised import ReparameterisedConfig
from srgan_kit.generators.super_resolution.residual import ResidualSR
from srgan_kit.generators.super_resolution.rrdb import RRDBNet
from srgan_kit.generators.super_resolution.srresnet import SRResNet
from srgan_kit.models.field import Field, round_up
from srgan_kit.models.receptive_field import LARGEST_FIELD, measure_field
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.tiling import plan


class Windows(nn.Module):
    """Every output pixel sees its own 4x4 window, as in window attention; sides must be multiples of 4."""

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[-1] % 4 or image.shape[-2] % 4:
            raise ValueError("sides must be multiples of 4")
        return image + F.interpolate(F.avg_pool2d(image, 4), scale_factor=4)


class PadsItself(nn.Module):
    """Windows, but padding inside: any size goes in, yet it may be moved by 4 only."""

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padded = F.pad(image, (0, -width % 4, 0, -height % 4), mode="replicate")
        return Windows()(padded)[..., :height, :width]


class Everywhere(nn.Module):
    """Every output depends on every input."""

    def forward(self, image: Tensor) -> Tensor:
        return image + image.mean(dim=(2, 3), keepdim=True)


class Reflecting(nn.Module):
    """Refuses sides up to 3, because it reflects 3 pixels."""

    def forward(self, image: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(image, (3, 3, 3, 3), mode="reflect"), 7, stride=1)


def convolutions(*kernels: int) -> nn.Module:
    return nn.Sequential(*(nn.Conv2d(3, 3, k, padding=k // 2) for k in kernels)).eval()


@pytest.mark.parametrize("kernels", [(1,), (3,), (5, 3), (9, 9, 3), (33, 33, 3)])
def test_the_field_of_convolutions_is_the_sum_of_their_radii(kernels: tuple[int, ...]) -> None:
    field = measure_field(convolutions(*kernels), 1, 3)
    assert field == Field(sum(k // 2 for k in kernels), 1, 1, exact=True)


@pytest.mark.parametrize("dilations", [(3,), (40,), (7, 60), (110,)])
def test_the_field_of_dilated_convolutions_has_gaps(dilations: tuple[int, ...]) -> None:
    network = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=each, dilation=each) for each in dilations))
    assert measure_field(network, 1, 3) == Field(sum(dilations), 1, 1, exact=True)


def test_zero_weights_do_not_hide_the_field() -> None:
    network = nn.Conv2d(3, 3, 9, padding=4)
    nn.init.zeros_(network.weight)
    assert measure_field(network, 1, 3).halo == 4


def test_the_field_of_a_generator() -> None:
    # 1 head + 2 groups x 3 + 1 tail convolutions of radius 1; the bilinear skip reaches less
    assert measure_field(ResidualSR(channels=4, groups=2).eval(), 4, 3).halo == 8


def test_the_field_of_blocks_is_the_sum_of_their_radii() -> None:
    # head and tail are 2; a block has two 3x3 and the large kernel, one depthwise kernel, or three 3x3
    fields = {
        2 + 2 * (2 + 4): LargeKernelConfig(channels=4, blocks=2, kernel=9, partial=2).build(),
        2 + 4 * 2: DepthwiseConfig(channels=4, blocks=4, kernel=5).build(),
        2 + 2 * 3: AttentionConfig(channels=4, blocks=2).build(),
        2 + 4 * 1: ReparameterisedConfig(channels=4, groups=2, convolutions=2).build(),
    }
    for halo, network in fields.items():
        assert measure_field(network.eval(), 4, 3) == Field(halo, 1, 1, exact=True)


def test_windows_are_moved_by_whole_windows() -> None:
    assert measure_field(Windows(), 1, 3, multiple_of=4, minimum=4) == Field(0, 4, 4, exact=True)


def test_a_hidden_period_is_found() -> None:
    field = measure_field(PadsItself(), 1, 3)
    assert field.exact
    assert field.step == 4
    assert field.halo == 4


def test_the_smallest_side_is_found() -> None:
    assert measure_field(Reflecting(), 1, 3).minimum == 4


DILATED = nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=101, dilation=101)] * 3)


@pytest.mark.parametrize("network", [Everywhere(), DILATED])
def test_fields_without_end_are_not_exact(network: nn.Module) -> None:
    field = measure_field(network, 1, 3)
    assert not field.exact
    assert 0 < field.halo < LARGEST_FIELD


def test_a_wrong_scale_is_refused() -> None:
    with pytest.raises(UserError, match="scale 2"):
        measure_field(convolutions(3), 2, 3)


def test_tiles_read_equally_many_pixels_and_none_in_vain() -> None:
    spans = plan(100, 35, Field(10, 1, 1, exact=True))
    assert [span.core for span in spans] == [(0, 37), (37, 64), (64, 100)]
    assert [span.read for span in spans] == [(0, 47), (27, 74), (53, 100)]


@given(
    length=st.integers(1, 400),
    tile=st.integers(1, 120),
    halo=st.integers(0, 8),
    step=st.sampled_from([1, 2, 8]),
    minimum=st.integers(1, 40),
)
def test_a_plan_covers_the_axis_once(length: int, tile: int, halo: int, step: int, minimum: int) -> None:
    field = Field(halo * step, step, minimum, exact=True)
    spans = plan(length, tile, field)
    assert [span.core[0] for span in spans] == [0] + [span.core[1] for span in spans[:-1]]
    assert spans[-1].core[1] == length
    for span in spans:
        assert span.read[0] % step == 0
        assert span.read[0] <= max(span.core[0] - field.halo, 0)
        assert span.read[1] >= min(span.core[1] + field.halo, length)
        assert 0 <= span.read[0] < span.read[1] <= length
        assert span.read[1] - span.read[0] >= min(minimum, length)
        assert span.read[1] - span.read[0] <= max(tile + 2 * field.halo, minimum) + 2 * (step - 1)
    sizes = {span.read[1] - span.read[0] for span in spans}
    assert max(sizes) - min(sizes) < step  # so that memory of one tile serves the next


def pad_to_fit(image: Tensor, multiple_of: int, minimum: int) -> Tensor:
    height, width = image.shape[-2:]
    below, right = (round_up(max(side, minimum), multiple_of) - side for side in (height, width))
    return F.pad(image, (0, right, 0, below), mode="replicate")


def tiled(network: nn.Module, image: Tensor, scale: int, tile: int, field: Field, multiple_of: int) -> Tensor:
    height, width = image.shape[-2:]
    result = torch.full((1, image.shape[1], height * scale, width * scale), torch.nan)
    for rows, columns in itertools.product(plan(height, tile, field), plan(width, tile, field)):
        part = image[..., slice(*rows.read), slice(*columns.read)]
        output = network(pad_to_fit(part, multiple_of, field.minimum))
        top, left = (rows.core[0] - rows.read[0]) * scale, (columns.core[0] - columns.read[0]) * scale
        high, wide = (rows.core[1] - rows.core[0]) * scale, (columns.core[1] - columns.core[0]) * scale
        target = result[..., rows.core[0] * scale : rows.core[1] * scale, columns.core[0] * scale :]
        target[..., :wide] = output[..., top : top + high, left : left + wide]
    return result


NETWORKS = {
    "residual": (lambda: ResidualSR(channels=8, groups=2), 4, 1),
    "reparameterised": (lambda: ReparameterisedConfig(scale=3, channels=8, groups=1).build(), 3, 1),
    "large-kernel": (lambda: LargeKernelConfig(scale=2, channels=8, blocks=1, kernel=9, partial=4).build(), 2, 1),
    "depthwise": (lambda: DepthwiseConfig(scale=3, channels=8, blocks=2).build(), 3, 1),
    "attention": (lambda: AttentionConfig(channels=8, blocks=2).build(), 4, 1),
    "srresnet": (lambda: SRResNet(scale=2, channels=8, blocks=1), 2, 1),
    "rrdb": (lambda: RRDBNet(scale=4, channels=8, blocks=1, growth=4), 4, 1),
    "windows": (Windows, 1, 4),
    "pads itself": (PadsItself, 1, 1),
    "reflecting": (Reflecting, 1, 1),
}


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), tile=st.integers(1, 40))
def test_tiles_equal_the_whole_image(name: str, height: int, width: int, tile: int) -> None:
    torch.manual_seed(0)
    make, scale, multiple_of = NETWORKS[name]
    network = make().eval()
    with torch.inference_mode():
        field = measure_field(network, scale, 3, multiple_of)
        assert field.exact
        image = torch.rand(1, 3, height, width)
        whole = network(pad_to_fit(image, multiple_of, field.minimum))[..., : height * scale, : width * scale]
        result = tiled(network, image, scale, tile, field, multiple_of)
        assert float((result - whole).abs().max()) <= 1e-5


def test_tiles_equal_the_whole_image_for_a_real_checkpoint(data_folder: Path) -> None:
    network = load_model(data_folder / "weights" / "realesr-animevideov3.pth").network
    with torch.inference_mode():
        field = measure_field(network, 4, 3)
        assert field == Field(18, 1, 1, exact=True)
        image = torch.rand(1, 3, 101, 83)
        difference = tiled(network, image, 4, 30, field, 1) - network(image)
        assert float(difference.abs().max()) <= 1e-5


def test_a_halo_one_pixel_short_is_not_enough() -> None:
    network = convolutions(9, 9)
    image = torch.rand(1, 3, 60, 60)
    with torch.inference_mode():
        short = Field(7, 1, 1, exact=True)
        assert float((tiled(network, image, 1, 20, short, 1) - network(image)).abs().max()) > 1e-5
