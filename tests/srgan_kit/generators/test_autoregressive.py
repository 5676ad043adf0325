"""PixelCNN, Row LSTM, Diagonal BiLSTM: probabilities sum to 1, no value sees itself or a later one, samples follow the
distribution."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from losses import categorical_pixel_nll
from srgan_kit.errors import UserError
from srgan_kit.generators.autoregressive.masked import Canvas, MaskedConv2d
from srgan_kit.generators.autoregressive.network import PixelNetwork
from srgan_kit.generators.autoregressive.pixelcnn import PixelCNN
from srgan_kit.generators.autoregressive.pixelrnn import DiagonalBiLSTM, RowLSTM, skew, unskew

NETWORKS = [PixelCNN, RowLSTM, DiagonalBiLSTM]
Pixel = tuple[int, int]


def every_image(channels: int, size: int) -> Tensor:
    """All binary images: (2 ** (C H W), C, H, W)."""
    values = channels * size * size
    return torch.cartesian_prod(*[torch.arange(2)] * values).reshape(-1, channels, size, size).double()


def lively(network: PixelNetwork, scale: float = 2.0) -> PixelNetwork:
    """In double precision, with larger weights: as initialised, all levels are about equally likely."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(scale)
    return network.double()


def probabilities(network: PixelNetwork, images: Tensor, **given: Tensor) -> Tensor:
    """Probability of each image: (N,)."""
    with torch.no_grad():
        log_p = torch.log_softmax(network(images, **given), 1)
    level = (images * (network.levels - 1)).round().long().unsqueeze(1)
    return log_p.gather(1, level).sum(dim=(1, 2, 3, 4)).exp()


def influence(network: PixelNetwork, channels: int, height: int, width: int, images: int = 1) -> Tensor:
    """Which value's logits (rows) depend on which value (columns), in raster order, channels last: (V, V) bool.

    Of several random images, as a ReLU can hide a dependence in one.
    """
    found = torch.zeros(channels * height * width, channels * height * width, dtype=torch.bool)
    for _ in range(images):
        image = torch.randint(network.levels, (1, channels, height, width)).double() / (network.levels - 1)
        slope = torch.autograd.functional.jacobian(network, image)
        assert isinstance(slope, Tensor)
        slope = slope[0, :, :, :, :, 0].abs().sum(dim=0)  # (C, H, W, C, H, W)
        found |= slope.permute(1, 2, 0, 4, 5, 3).flatten(3, 5).flatten(0, 2) > 0
    return found


def reach(start: Pixel, steps: list[list[Pixel]], height: int, width: int) -> set[Pixel]:
    """Where one can get from a pixel by one of each list of steps, never leaving the image."""
    places = {start}
    for step in steps:
        places = {(i + di, j + dj) for i, j in places for di, dj in step}
        places = {(i, j) for i, j in places if 0 <= i < height and 0 <= j < width}
    return places


FIRST = [(-i, j) for i in range(4) for j in range(-3, 4) if i or j < 0]
NEAR = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0)]


# --- probabilities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("given", ["nothing", "latent", "condition", "both"])
def test_probabilities_of_all_512_binary_3x3_images_sum_to_one(kind: type[PixelNetwork], given: str) -> None:
    inputs = {}
    if given in ("latent", "both"):
        inputs["latent"] = torch.randn(1, 5).double().expand(512, -1)
    if given in ("condition", "both"):
        inputs["condition"] = torch.rand(1, 3, 2, 2).double().expand(512, -1, -1, -1)
    network = kind(
        channels=6, layers=2, latent=5 * ("latent" in inputs), condition_channels=3 * ("condition" in inputs)
    )
    p = probabilities(lively(network), every_image(1, 3), **inputs)
    assert p.sum().item() == pytest.approx(1, abs=1e-9)
    assert p.max() > 2 * p.min()


@pytest.mark.parametrize("kind", NETWORKS)
def test_probabilities_of_all_4096_binary_colour_2x2_images_sum_to_one(kind: type[PixelNetwork]) -> None:
    p = probabilities(lively(kind(3, channels=7, layers=2)), every_image(3, 2))
    assert p.sum().item() == pytest.approx(1, abs=1e-9)
    assert p.max() > 2 * p.min()


def test_likelihood_is_that_of_the_nearest_levels() -> None:
    network = lively(PixelCNN(levels=4, channels=6, layers=2))
    image = torch.randint(4, (3, 1, 5, 5)).double() / 3
    near = image + (torch.rand_like(image) - 0.5) * 0.3
    torch.testing.assert_close(network(near), network(image))
    nll = [categorical_pixel_nll(network(values), values).item() for values in (image, near)]
    assert nll[0] == pytest.approx(nll[1])


# --- causality --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_no_value_sees_itself_or_a_later_one(kind: type[PixelNetwork], channels: int) -> None:
    network = lively(kind(channels, levels=5, channels=6, layers=2))
    assert not influence(network, channels, 5, 6).triu().any()


def seen_by(kind: type[PixelNetwork], layers: int, start: Pixel, height: int, width: int) -> set[Pixel]:
    """The pixels that the papers' receptive fields hold."""
    if kind is DiagonalBiLSTM:
        return {(y, x) for y in range(height) for x in range(width) if (y, x) < start}
    if kind is PixelCNN:
        return reach(start, [NEAR] * layers + [FIRST], height, width)
    rows_up = [[*NEAR[:3], (0, 0)]] * (height * layers)  # h of the row above, at most as often as there are rows
    return reach(start, [*rows_up, *[[(0, -1), (0, 0)]] * layers, FIRST], height, width)


def is_blind_spot(kind: type[PixelNetwork], start: Pixel, seen: Pixel, width: int) -> bool:
    """The one value that no map of the row above holds: its very last, where the 7x7 window does not reach it."""
    return kind is DiagonalBiLSTM and seen == (start[0] - 1, width - 1) and start[1] + 3 < width - 1


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(("channels", "layers"), [(1, 1), (1, 2), (3, 1)])
def test_every_value_of_the_receptive_field_is_seen(kind: type[PixelNetwork], channels: int, layers: int) -> None:
    height, width = 5, 11
    network = lively(kind(channels, channels=4 * channels, layers=layers))
    seen = influence(network, channels, height, width, images=5)
    seen = seen.reshape(height, width, channels, height, width, channels)
    for i, j, channel in itertools.product(range(height), range(width), range(channels)):
        expected = torch.zeros(height, width, channels, dtype=torch.bool)
        for pixel in seen_by(kind, layers, (i, j), height, width):
            expected[pixel] = True
            expected[(*pixel, -1)] = not is_blind_spot(kind, (i, j), pixel, width)
        expected[i, j] = torch.arange(channels) < channel
        assert torch.equal(seen[i, j, channel], expected), (i, j, channel)


def test_one_row_lstm_has_blind_corners_that_the_diagonal_lstm_sees() -> None:
    for kind, sees in [(RowLSTM, False), (DiagonalBiLSTM, True)]:
        seen = influence(lively(kind(channels=4, layers=1)), 1, 5, 29)[4 * 29 + 14]  # from the middle of the last row
        assert seen[[0, 28]].tolist() == [sees, sees], kind


@pytest.mark.parametrize("kind", NETWORKS)
def test_mask_b_first_lets_a_value_see_itself(kind: type[PixelNetwork]) -> None:
    network = kind(channels=6, layers=2)
    network.first = MaskedConv2d("B", 1, 12, 1, rows=4, columns=7)
    assert influence(lively(network), 1, 3, 3).diagonal().all()
    assert probabilities(network, every_image(1, 3)).sum().item() != pytest.approx(1, abs=1e-3)


def test_masks_are_those_of_the_paper() -> None:
    a, b = (MaskedConv2d(mask, 3, 6, 3, rows=2, columns=3, parts=2).mask for mask in ("A", "B"))
    for mask in (a, b):
        assert mask[:, :, 0].all()
        assert mask[:, :, 1, 0].all()
        assert not mask[:, :, 1, 2].any()
    lower = torch.ones(3, 3).tril()
    assert torch.equal(b[:, :, 1, 1], lower.repeat(2, 1))
    assert torch.equal(a[:, :, 1, 1], (lower - torch.eye(3)).repeat(2, 1))


def test_skewed_maps() -> None:
    x = torch.randn(2, 4, 5, 3)
    skewed = skew(x, -math.inf)
    assert skewed.shape == (2, 4, 8, 3)
    for row in range(4):
        assert torch.equal(skewed[:, row, row : row + 5], x[:, row])
    assert (skewed == -math.inf).sum() == 2 * 3 * 4 * 3
    assert torch.equal(unskew(skewed), x)


# --- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 6, 5), (3, 3, 4), (2, 1, 3), (1, 4, 1)])
@torch.no_grad()
def test_pixel_by_pixel_it_computes_what_it_computes_at_once(
    kind: type[PixelNetwork], channels: int, height: int, width: int
) -> None:
    network = lively(kind(channels, levels=4, channels=6, layers=3, latent=5, condition_channels=2))
    condition, latent = torch.rand(2, 2, 3, 3).double(), torch.randn(2, 5).double()
    image = torch.randint(4, (2, channels, height, width)).double() / 3
    canvas, logits = Canvas(height, width), torch.empty(2, 4, channels, height, width).double()
    biases = network._biases(image.shape, condition, latent)
    for here in canvas.pixels():
        for channel in range(channels):
            pixel = image[here].clone()
            pixel[:, channel:] = torch.rand(2, channels - channel, 1, 1)  # not known yet
            logits[:, :, channel][here] = network._logits(pixel, [b[here] for b in biases], canvas)[:, :, channel]
        network.first(2 * image[here] - 1, canvas)
    torch.testing.assert_close(logits, network(image, condition, latent), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", NETWORKS)
def test_samples_follow_the_law_that_the_network_states(kind: type[PixelNetwork]) -> None:
    network, count = lively(kind(channels=6, layers=2), 2.5), 4000
    law = probabilities(network, every_image(1, 3))
    drawn = network.sample((count, 1, 3, 3), generator=torch.Generator().manual_seed(3))
    number = (drawn.flatten(1).long() * 2 ** torch.arange(8, -1, -1)).sum(dim=1)
    order = law.argsort()
    # Rare images together, so that each bin expects some 8 draws or more.
    bins = torch.zeros(512, dtype=torch.long)
    bins[order] = (law[order].cumsum(0) * 200).floor().long().clamp(max=199)

    def chi_square(images: Tensor) -> float:
        seen = torch.zeros(200).double().index_add_(0, bins[images], torch.ones(count).double())
        expected = torch.zeros(200).double().index_add_(0, bins, law * count)
        kept = expected >= 5
        return (((seen - expected) ** 2 / expected)[kept].sum() / kept.sum()).item()

    limit = 1 + 5 * math.sqrt(2 / 100)
    assert chi_square(number) < limit
    assert chi_square(torch.randint(512, (count,))) > limit


@pytest.mark.parametrize("kind", NETWORKS)
def test_colour_samples_have_the_mean_nll_that_the_law_states(kind: type[PixelNetwork]) -> None:
    """The entropy of all 4096 colour images, against the NLL of images drawn."""
    network = lively(kind(3, channels=6, layers=1), 2.5)
    law = probabilities(network, every_image(3, 2))
    entropy = -(law * law.log()).sum()
    spread = (law * (-law.log() - entropy) ** 2).sum().sqrt()
    drawn = network.sample((4000, 3, 2, 2), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        nll = categorical_pixel_nll(network(drawn), drawn)
    assert abs(nll - entropy) < 4 * spread / math.sqrt(4000)


@pytest.mark.parametrize("kind", NETWORKS)
def test_one_seed_gives_one_picture(kind: type[PixelNetwork]) -> None:
    network = kind(3, levels=7, channels=6, layers=2)
    first, second, other = (
        network.sample((2, 3, 5, 4), generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert not first.requires_grad
    assert set((first * 6).round().flatten().tolist()) == set(range(7))
    torch.testing.assert_close(first * 6, (first * 6).round())


def test_low_temperature_draws_the_likeliest_level() -> None:
    network = lively(RowLSTM(levels=5, channels=6, layers=1))
    image = network.sample((3, 1, 4, 4), temperature=1e-9)
    with torch.no_grad():
        assert torch.equal(network(image).argmax(1), (image * 4).round().long())


# --- conditions, training ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
def test_condition_and_latent_matter_where_they_should(kind: type[PixelNetwork]) -> None:
    network = lively(kind(channels=6, layers=2, latent=3, condition_channels=2))
    image, condition, latent = (torch.rand(size).double() for size in ((2, 1, 8, 8), (2, 2, 4, 4), (2, 3)))
    logits = network(image, condition, latent)
    moved = (network(image, condition, latent + 0.1) - logits).abs().amax(dim=(1, 2))
    assert (moved > 0).all()  # everywhere
    elsewhere = condition.clone()
    elsewhere[:, :, -1, -1] += 0.1  # later pixels of the condition are known: the convolution is not masked
    moved = (network(image, elsewhere, latent) - logits).abs().amax(dim=(1, 2))
    assert (moved[:, 4:, 4:] > 0).all()
    assert (moved[:, 0] == 0).all()
    other = torch.cat([latent[:1], latent[1:] + 0.1])  # of another example
    torch.testing.assert_close(network(image, condition, other)[0], logits[0])


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_reach_every_weight(kind: type[PixelNetwork], channels: int) -> None:
    network = kind(channels, levels=4, channels=6, layers=2, latent=3, condition_channels=2)
    image = torch.rand(2, channels, 6, 6)
    logits = network(image, torch.rand(2, 2, 3, 3), torch.randn(2, 3))
    assert logits.shape == (2, 4, channels, 6, 6)
    categorical_pixel_nll(logits, image).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
    for name, module in network.named_modules():
        if isinstance(module, MaskedConv2d):
            assert module.weight.grad is not None, name
            assert not module.weight.grad[module.mask == 0].any(), name


@pytest.mark.parametrize("kind", NETWORKS)
def test_two_patterns_cost_one_bit_once_learned(kind: type[PixelNetwork]) -> None:
    network = kind(channels=8, layers=1)
    first = torch.randint(2, (1, 1, 4, 4)).float()
    patterns = torch.cat([first, 1 - first])
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    nats = math.inf
    for _ in range(150):
        loss = categorical_pixel_nll(network(patterns), patterns)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        nats = loss.item()
    assert nats == pytest.approx(math.log(2), abs=0.05)
    drawn = network.sample((20, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    known = (drawn[:, None] == patterns).flatten(2).all(dim=2)
    assert known.sum() >= 18
    assert known.any(dim=0).all()


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("image_channels", 0, "image_channels must be at least 1, got 0"),
        ("levels", 1, "levels must be at least 2, got 1"),
        ("channels", 2, "channels must be at least 3, got 2"),
        ("layers", 0, "layers must be at least 1, got 0"),
        ("latent", -1, "latent must be at least 0, got -1"),
        ("condition_channels", -1, "condition_channels must be at least 0, got -1"),
    ],
)
def test_settings_out_of_range(setting: str, value: int, message: str) -> None:
    with pytest.raises(UserError, match=f"PixelCNN: {message}"):
        PixelCNN(**{"image_channels": 3, setting: value})


def test_inputs_that_do_not_fit() -> None:
    plain, network = RowLSTM(channels=4, layers=1), RowLSTM(channels=4, layers=1, latent=3, condition_channels=2)
    image, condition, latent = torch.rand(2, 1, 4, 4), torch.rand(2, 2, 2, 2), torch.rand(2, 3)
    for wrong in (image[0], image.repeat(1, 3, 1, 1), image.long()):
        with pytest.raises(UserError, match=r"RowLSTM: expected image floating-point \(N, 1, H, W\), got \("):
            plain(wrong)
    with pytest.raises(UserError, match=r"expected latent none, got \(2, 3\)"):
        plain(image, latent=latent)
    with pytest.raises(UserError, match=r"expected condition none, got \(2, 2, 2, 2\)"):
        plain(image, condition)
    with pytest.raises(UserError, match=r"expected latent \(2, 3\), got none"):
        network(image, condition)
    with pytest.raises(UserError, match=r"expected condition \(2, 2, \*, \*\), got none"):
        network(image, latent=latent)
    for wrong in (condition[:1], condition[:, :1], condition[0]):
        with pytest.raises(UserError, match=r"expected condition \(2, 2, \*, \*\), got \("):
            network.sample((2, 1, 4, 4), wrong, latent)
    for shape in ((2, 3, 4, 4), (2, 1, 0, 4), (1, 4, 4)):
        with pytest.raises(UserError, match=r"expected shape \(N, 1, H, W\), got \("):
            plain.sample(shape)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="temperature must be above 0, got 0"):
        plain.sample((2, 1, 4, 4), temperature=0)
