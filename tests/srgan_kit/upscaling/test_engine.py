"""The engine on images of every kind and size."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.experiments.architectures.networks import AttentionConfig, DepthwiseConfig, LargeKernelConfig
from srgan_kit.devices import autocast, pick_devices
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.reparameterised import ReparameterisedConfig
from srgan_kit.generators.super_resolution.residual import ResidualSR, ResidualSRConfig
from srgan_kit.generators.super_resolution.srresnet import SRResNet
from srgan_kit.models.pretrained import pretrained_upscalers
from srgan_kit.models.super_resolution import UpscalingModel, load_model, save_model
from srgan_kit.upscaling.engine import TiledUpscaler
from srgan_kit.upscaling.image_runner import Tally
from srgan_kit.upscaling.runner import OutOfMemoryError
from srgan_kit.upscaling.torch_engine import TorchRunner, torch_upscaler


class Nearest(nn.Module):
    """Every pixel three by three times, and nothing else."""

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(image, scale_factor=3)


class OverflowsIn16Bits(nn.Module):
    """The identity in fp32, infinite in fp16 where the image is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv2d(3, 3, 1, bias=False) for _ in range(4)))
        with torch.no_grad():
            for layer, gain in zip(self.layers, (2.0**9, 2.0**9, 2.0**-9, 2.0**-9), strict=True):
                layer.weight.copy_(gain * torch.eye(3)[:, :, None, None])  # pyright: ignore[reportCallIssue]

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class Hungry(nn.Module):
    """The identity, which for more than 140 pixels a side wants more memory than there is."""

    def forward(self, image: Tensor) -> Tensor:
        if max(image.shape[-2:]) > 140:
            torch.empty(2**58)
        return image.clone()


class NaN(nn.Module):
    """Broken weights."""

    def forward(self, image: Tensor) -> Tensor:
        return image * torch.nan


class NeedsEights(nn.Module):
    """Doubles; refuses sides that are no multiples of 8 or less than 16."""

    def forward(self, image: Tensor) -> Tensor:
        assert image.shape[-1] % 8 == image.shape[-2] % 8 == 0
        assert min(image.shape[-2:]) >= 16
        return F.interpolate(image, scale_factor=2)


def model(network: nn.Module, scale: int, channels: int = 3, multiple_of: int = 1, minimum: int = 1) -> UpscalingModel:
    network = network.eval().requires_grad_(False)
    return UpscalingModel("test", network, scale, channels, "test", "none", {}, multiple_of, minimum)


def image(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("network_channels", [1, 3])
def test_every_value_survives_an_exact_network(dtype: type, channels: int, network_channels: int) -> None:
    pixels = image(70, 90, channels, dtype)
    pixels[0, 0], pixels[0, 1] = 0, np.iinfo(dtype).max
    result = torch_upscaler(model(Nearest(), 3, network_channels), "cpu", "fp32", tile=32).upscale(pixels)
    assert result.dtype == dtype
    assert np.array_equal(result, pixels.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1), (37, 53), (5, 7), (128, 65)])
@pytest.mark.parametrize(
    "network",
    [
        ResidualSR(channels=8, groups=2),
        SRResNet(channels=8, blocks=1),
        ReparameterisedConfig(channels=8, groups=2).build(),
        LargeKernelConfig(channels=8, blocks=1, kernel=7, partial=4).build(),
        DepthwiseConfig(channels=8, blocks=2).build(),
        AttentionConfig(channels=8, blocks=2).build(),
    ],
)
def test_any_size_in_tiles_equals_the_whole_network(network: nn.Module, height: int, width: int) -> None:
    pixels = image(height, width)
    result = torch_upscaler(model(network, 4), "cpu", "fp32", tile=16).upscale(pixels)
    with torch.inference_mode():
        whole = network.eval()(torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None])
    expected = whole[0].clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    assert np.abs(result - expected).max() < 0.51  # nothing but the rounding


def test_the_callers_network_stays_as_it_is() -> None:
    network = ResidualSR(channels=8, groups=1)
    before = {name: (value.clone(), value.stride()) for name, value in network.state_dict().items()}
    torch_upscaler(model(network, 4), "cpu").upscale(image(20, 20))
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name][0])
        assert value.stride() == before[name][1]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 40), (100, 77)])
def test_sides_that_the_network_needs(height: int, width: int) -> None:
    pixels = image(height, width)
    result = torch_upscaler(model(NeedsEights(), 2, 3, 8, 16), "cpu", "fp32", tile=24).upscale(pixels)
    assert np.array_equal(result, pixels.repeat(2, axis=0).repeat(2, axis=1))


def test_tiles_that_overflow_are_computed_again_in_fp32() -> None:
    pixels = np.full((64, 128, 3), 255, np.uint8)
    pixels[:, :64] = 3  # 3 / 255 * 2^18 fits fp16, 1 * 2^18 does not
    upscaler = torch_upscaler(model(OverflowsIn16Bits(), 1), "cpu", "fp16", tile=64)
    result = upscaler.run(pixels)
    assert np.array_equal(result.pixels, pixels)
    assert result.redone_tiles == 1
    assert upscaler.run(pixels[:64, :64]).redone_tiles == 0


def test_nan_in_fp32_is_an_error() -> None:
    with pytest.raises(UserError, match="test gave NaN"):
        torch_upscaler(model(NaN(), 1), "cpu", "fp32").upscale(image(8, 8))


@pytest.mark.parametrize(("precision", "works"), [("fp16", False), ("bf16", False), ("bf16", True)])
def test_a_precision_that_the_network_does_not_bear_becomes_fp32(precision: str, works: bool) -> None:
    fragile = replace(model(Nearest(), 3), **{f"supports_{precision}": works})
    upscaler = torch_upscaler(fragile, "cpu", precision)
    assert (upscaler.precision == "float32") is not works
    notes = upscaler.run(image(8, 8)).notes
    assert [precision.removeprefix("bf").removeprefix("fp") in note for note in notes] == [True] * (not works)


def test_fp32_on_cuda_is_without_tf32() -> None:
    before = torch.backends.cudnn.enabled, torch.backends.cudnn.conv.fp32_precision  # pyright: ignore[reportAttributeAccessIssue]
    torch.set_float32_matmul_precision("high")
    try:
        with autocast(torch.device("cuda"), torch.float32):
            assert not torch.backends.cudnn.allow_tf32
            assert torch.backends.cudnn.enabled
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert (torch.backends.cudnn.enabled, torch.backends.cudnn.conv.fp32_precision) == before  # pyright: ignore[reportAttributeAccessIssue]


def test_too_little_memory_means_smaller_tiles() -> None:
    pixels = image(300, 300)
    upscaler = torch_upscaler(model(Hungry(), 1), "cpu", "fp32")
    result = upscaler.run(pixels)
    assert np.array_equal(result.pixels, pixels)
    assert upscaler.tile == 128
    assert [note.split()[-2] for note in result.notes] == ["256", "128"]
    assert upscaler.run(pixels).notes == ()
    with pytest.raises(UserError, match="out of memory with tiles of 256"):
        torch_upscaler(model(Hungry(), 1), "cpu", "fp32", tile=256).upscale(pixels)


def test_other_failures_of_a_network_are_not_taken_for_want_of_memory() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        torch_upscaler(model(nn.Conv2d(4, 3, 1), 1), "cpu", "fp32", tile=512).upscale(image(70, 70))


def test_warm_up_leaves_nothing_to_measure() -> None:
    narrow = model(ResidualSR(channels=8, groups=1), 4)
    upscaler = torch_upscaler(narrow, "cpu", "fp32")  # runs a copy, but measures this one
    measurements: list[object] = []
    narrow.network.register_forward_hook(lambda *_: measurements.append(1))
    upscaler.warm_up()
    assert measurements
    measurements.clear()
    upscaler.upscale(image(20, 57))
    assert not measurements


@pytest.mark.parametrize(("height", "width"), [(40, 40), (1, 64), (3, 50)])
def test_a_small_image_costs_no_more_than_itself(height: int, width: int) -> None:
    class Far(nn.Module):  # its field is larger than any halo
        def forward(self, image: Tensor) -> Tensor:
            seen.append(image.shape[-2] * image.shape[-1])
            return F.avg_pool2d(F.pad(image, (300,) * 4), 601, stride=1)

    seen: list[int] = []
    pixels = image(height, width)
    upscaler = torch_upscaler(model(Far(), 1), "cpu", "fp32")
    result = upscaler.run(pixels)
    assert seen[-1] == height * width
    assert sum(seen[:-1]) <= 1  # whether a single pixel is accepted; neither tile nor field is measured
    assert np.abs(result.pixels - pixels.sum(axis=(0, 1)) / 601**2).max() < 0.51
    assert not result.notes


def test_a_small_image_that_does_not_fit_memory() -> None:
    class TooHungry(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            torch.empty(2**58 if max(image.shape) > 8 else 1)
            return image.clone()

    with pytest.raises(UserError, match="out of memory with tiles of 64"):
        torch_upscaler(model(TooHungry(), 1), "cpu", "fp32").upscale(image(30, 40))


def test_bf16_is_close_to_fp32() -> None:
    network = model(ResidualSR(channels=16, groups=2), 4)
    bf16, fp32 = (torch_upscaler(network, "cpu", precision).upscale(image(40, 40)) for precision in ("bf16", "fp32"))
    assert np.abs(bf16.astype(int) - fp32).max() <= 3
    assert np.abs(bf16.astype(int) - fp32).mean() < 0.5


def test_a_global_network_is_tiled_with_a_note() -> None:
    class Global(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image + 0 * image.mean(dim=(2, 3), keepdim=True)

    pixels = image(300, 70)
    upscaler = torch_upscaler(model(Global(), 1), "cpu", "fp32", tile=32)
    result = upscaler.run(pixels)
    assert np.array_equal(result.pixels, pixels)
    assert "receptive field" in result.notes[0]


def test_progress_counts_tiles() -> None:
    seen: list[tuple[int, int]] = []
    torch_upscaler(model(Nearest(), 3), "cpu", "fp32", tile=32).upscale(image(64, 96), lambda *step: seen.append(step))
    assert seen == [(done, 6) for done in range(1, 7)]


def test_automatic_tiles_shrink_for_wide_networks() -> None:
    narrow = torch_upscaler(model(ResidualSR(channels=16, groups=1), 4), "cpu").tile
    wide = torch_upscaler(model(SRResNet(channels=64, blocks=1), 4), "cpu").tile
    assert wide < narrow == 512


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_other_arrays_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(UserError, match="expected"):
        torch_upscaler(model(Nearest(), 3), "cpu").upscale(pixels)


@pytest.mark.parametrize("settings", [{"tile": 0}, {"device": "abacus"}, {"precision": "fp7"}])
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UserError, match="expected"):
        torch_upscaler(model(Nearest(), 3), **settings)  # pyright: ignore[reportArgumentType]


# --- borders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", pretrained_upscalers())
def test_flat_colours_stay_within_two_levels_and_have_no_frame(name: str) -> None:
    upscaler = torch_upscaler(load_model(name), "cpu", "fp32")
    for colour in ((0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)):
        made = upscaler.upscale(np.full((40, 44, 3), colour, np.uint8))
        assert np.abs(made.astype(int) - np.array(colour)).max() <= 2, colour


@pytest.mark.parametrize(("height", "width"), [(30, 41), (3, 2), (1, 1)])
def test_the_border_is_the_images_mirror_image_and_is_cut_off(height: int, width: int) -> None:
    network = ResidualSR(2, channels=4, groups=1, convolutions=1).eval()
    plain = UpscalingModel("tiny", network, 2, 3, "residual", "none")
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    made = torch_upscaler(replace(plain, border=4), "cpu", "fp32").upscale(image)
    continued = np.pad(image, ((4, 4), (4, 4), (0, 0)), "symmetric")
    assert np.array_equal(made, torch_upscaler(plain, "cpu", "fp32").upscale(continued)[8:-8, 8:-8])


@pytest.mark.parametrize(("text", "border"), [("4", 4), ("64", 64), ("65", None), ("-1", None), ("x", None)])
def test_the_border_is_read_from_the_file(text: str, border: int | None, tmp_path: Path) -> None:
    config = ResidualSRConfig(channels=4, groups=1)
    save_model(config.build(), config, tmp_path / "a.safetensors", {"border": text})
    if border is not None:
        assert load_model(tmp_path / "a.safetensors").border == border
        return
    with pytest.raises(UserError, match=f"a.safetensors: border: expected a number of pixels up to 64, got '{text}'"):
        load_model(tmp_path / "a.safetensors")


# --- several devices --------------------------------------------------------------------------------------------------


class Counting(TorchRunner):
    """A device that is slow enough for the others to be asked too."""

    def __init__(self, model: UpscalingModel, room: int = 2**30) -> None:
        super().__init__(model, torch.device("cpu"), "fp32")
        self.tiles, self._room = 0, room

    def run(self, tile: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, bool]:
        self.tiles += 1
        time.sleep(0.01)
        if max(tile.shape) > self._room:
            raise OutOfMemoryError
        return super().run(tile, wanted)


def test_tiles_are_spread_over_devices() -> None:
    small = model(ResidualSR(channels=4, groups=1), 4)
    pixels = image(70, 90)
    devices = [Counting(small) for _ in range(3)]
    steps: list[tuple[int, int]] = []
    upscaler = TiledUpscaler(devices, tile=16)
    result = upscaler.run(pixels, lambda *step: steps.append(step))
    assert np.array_equal(result.pixels, torch_upscaler(small, "cpu", "fp32", tile=16).upscale(pixels))
    assert upscaler.device == "cpu"
    assert sum(device.tiles for device in devices) == len(steps) == steps[-1][1] == steps[-1][0]
    assert min(device.tiles for device in devices) >= 3
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_one_device_without_memory_means_smaller_tiles_on_all() -> None:
    pixels = image(560, 180)
    devices = [Counting(model(Nearest(), 3)), Counting(model(Nearest(), 3), room=140)]
    result = TiledUpscaler(devices).run(pixels)
    assert np.array_equal(result.pixels, pixels.repeat(3, axis=0).repeat(3, axis=1))
    assert [note.split()[-2] for note in result.notes] == ["256", "128"]


def test_an_error_on_one_device_ends_the_image() -> None:
    with pytest.raises(UserError, match="test gave NaN"):
        TiledUpscaler([Counting(model(NaN(), 1)), Counting(model(NaN(), 1))], tile=8).upscale(image(40, 40))


def test_cuda_means_all_of_its_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    for name, found in (("auto", [0, 1, 2]), ("cuda", [0, 1, 2]), ("cuda:1", [1])):
        assert pick_devices(name) == [torch.device("cuda", index) for index in found]
    assert pick_devices("cpu") == [torch.device("cpu")]


def test_true_fp32_lasts_as_long_as_any_thread_needs_it() -> None:
    torch.set_float32_matmul_precision("high")
    try:
        first, second = (autocast(torch.device("cuda"), torch.float32) for _ in range(2))
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        second.__exit__(None, None, None)
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    finally:
        torch.set_float32_matmul_precision("highest")


# --- parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("border", [0, 5])
def test_memory_that_ends_in_the_middle_costs_only_the_rest(border: int) -> None:
    class Forgetful(Counting):
        def run(self, tile: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, bool]:
            if self.tiles == 4:  # the second tile of the second row
                self._room = 70
            return super().run(tile, wanted)

    pixels = image(350, 250)  # rows of 117, then of 59
    upscaler = TiledUpscaler([Forgetful(replace(model(Nearest(), 3), border=border))])
    upscaler._tile = 128
    tally, heights = Tally(), []
    for band in upscaler.bands(pixels, tally):
        heights.append(len(band))
        start = sum(heights[:-1])
        expected = pixels.repeat(3, axis=0).repeat(3, axis=1)[start : start + len(band)]
        assert np.array_equal(band, expected)
    assert sum(heights) == 350 * 3
    assert "tiles are now 64 pixels" in tally.notes[0]


def test_only_the_rows_that_a_row_of_tiles_reads_are_asked_for() -> None:
    pixels = image(200, 40)
    asked: list[slice] = []

    class Asked:
        shape, dtype = pixels.shape, pixels.dtype

        def __len__(self) -> int:
            return len(pixels)

        def __getitem__(self, rows: slice) -> np.ndarray:
            asked.append(rows)
            return pixels[rows]

    small = replace(model(ResidualSR(channels=4, groups=1), 4), border=3)
    upscaler = torch_upscaler(small, "cpu", "fp32", tile=50)
    made = np.concatenate(list(upscaler.bands(Asked(), Tally())))
    assert np.array_equal(made, upscaler.upscale(pixels))
    assert len(asked) == 4
    assert [rows.start for rows in asked] == sorted(rows.start for rows in asked)
    assert max(rows.stop - rows.start for rows in asked) <= 50 + 2 * upscaler.field.halo
