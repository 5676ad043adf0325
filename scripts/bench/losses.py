"""Speed of the losses, forward and backward on the CPU, as ratios measured in one run, against thresholds.

    python -m scripts.bench.losses [--side 192] [--batch 4] [--repeats 7] [-o docs/results/bench_losses.json]

Perceptual losses against the same network written naively; the other terms as a share of a DCGAN training step. The
weights are random, of the same networks on both sides, because time does not depend on them; with SRGAN_KIT_DATA set,
LPIPS has that folder's SqueezeNet.
"""

import argparse
import platform
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from losses import (
    EnergyMargin,
    FDivergence,
    LPIPSLoss,
    VGGFeatureLoss,
    categorical_information,
    pulling_away,
    reconstruction_energy,
    uniform_information,
)
from losses.networks.vgg import IMAGENET_MEAN, IMAGENET_STD
from scripts.lib import paths
from scripts.lib.timing import Check, Work, median_seconds, report

AT_LEAST = {"vgg_speedup_fp32": 1.4, "vgg_speedup_bf16": 2.5, "lpips_speedup": 1.0}
"""vgg_speedup_bf16 is meant for a CPU that computes in bf16."""
AT_MOST = {
    "vgg_relative_difference_fp32": 1e-3,
    "lpips_relative_difference": 1e-5,
    "share_of_dcgan_step_f_divergence": 0.01,
    "share_of_dcgan_step_ebgan": 0.01,
    "share_of_dcgan_step_infogan": 0.01,
}
DIVERGENCES = (
    *("kl", "reverse-kl", "pearson", "neyman", "squared-hellinger"),
    *("jensen-shannon", "gan", "total-variation", "jeffrey"),
)
Loss = Callable[[Tensor, Tensor], Tensor]


def check(found: dict[str, object]) -> list[Check]:
    """Every threshold."""
    values = {name: value for name, value in found.items() if isinstance(value, float)}
    least = [Check(name, values[name], f">= {bound}", values[name] >= bound) for name, bound in AT_LEAST.items()]
    return least + [Check(name, values[name], f"<= {bound}", values[name] <= bound) for name, bound in AT_MOST.items()]


def backward(loss: Loss, images: tuple[Tensor, Tensor], autocast: bool = False) -> Work:
    """Forward and backward of a loss of two images, to those of them that require gradients."""

    def run() -> float:
        for image in images:
            image.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value = loss(*images)
        value.backward()
        return value.item()

    return run


def relative(value: float, reference: float) -> float:
    return abs(value / reference - 1)


# --- perceptual losses ------------------------------------------------------------------------------------------------


def vgg19() -> nn.Sequential:
    """torchvision's VGG19 to conv5_4, random weights that keep the size of the activations, frozen."""
    from torchvision.models import vgg19

    network = nn.Sequential(*list(vgg19(weights=None).features.children())[:35])
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return network.requires_grad_(False).eval()


def naive_feature_loss(network: nn.Module) -> Loss:
    """L1 between the maps of both images, as most code has it: NCHW, fp32."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return lambda image, target: F.l1_loss(network((image - mean) / std), network((target - mean) / std))


def vgg_figures(image: Tensor, target: Tensor, repeats: int) -> dict[str, float]:
    """Ours, fp32 and bf16, against the naive form with gradients for both images and with gradients for one."""
    network = vgg19()
    naive = naive_feature_loss(network)
    ours = VGGFeatureLoss("conv5_4", weights={f"features.{k}": v for k, v in network.state_dict().items()})
    one = (image.clone().requires_grad_(), target)
    both = (image.clone().requires_grad_(), target.clone().requires_grad_())
    work: dict[str, Work] = {
        "naive": backward(naive, both),
        "naive_one_gradient": backward(naive, one),
        "fp32": backward(ours, one),
        "bf16": backward(ours, one, autocast=True),
    }
    values = {name: float(str(piece())) for name, piece in work.items()}
    seconds = median_seconds(work, repeats)
    return {
        **{f"vgg_seconds_{name}": value for name, value in seconds.items()},
        "vgg_relative_difference_fp32": relative(values["fp32"], values["naive"]),
        "vgg_relative_difference_bf16": relative(values["bf16"], values["naive"]),
        "vgg_speedup_fp32": seconds["naive"] / seconds["fp32"],
        "vgg_speedup_bf16": seconds["naive"] / seconds["bf16"],
        "vgg_speedup_fp32_where_the_naive_form_has_one_gradient": seconds["naive_one_gradient"] / seconds["fp32"],
    }


def lpips_figures(image: Tensor, target: Tensor, repeats: int) -> dict[str, float]:
    """Ours against the lpips package, SqueezeNet with the same weights, a gradient for one image."""
    import lpips
    from torchvision.models import squeezenet1_1

    weights = squeezenet()
    state = squeezenet1_1(weights=None).state_dict() if weights is None else torch.load(weights, weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's, about how the package calls it
        package = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).requires_grad_(False)
    # "slice2.3.squeeze.weight" is torchvision's "features.3.squeeze.weight".
    own = {name: state[f"features.{name.partition('.')[2]}"] for name in package.net.state_dict()}
    package.net.load_state_dict(own)
    images = (image.clone().requires_grad_(), target)
    work: dict[str, Work] = {
        "package": backward(lambda a, b: package(a, b, normalize=True).mean(), images),
        "ours": backward(LPIPSLoss("squeeze", weights=state), images),
    }
    values = {name: float(str(piece())) for name, piece in work.items()}
    seconds = median_seconds(work, repeats)
    return {
        **{f"lpips_seconds_{name}": value for name, value in seconds.items()},
        "lpips_relative_difference": relative(values["ours"], values["package"]),
        "lpips_speedup": seconds["package"] / seconds["ours"],
    }


# --- terms of a GAN ---------------------------------------------------------------------------------------------------


def initialised(network: nn.Module) -> nn.Module:
    """As in the DCGAN paper, N(0, 0.02)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
    return network


def dcgan_generator(width: int = 64) -> nn.Module:
    """(N, 100, 1, 1) -> (N, 3, 64, 64)."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(100, 8 * width, 4, bias=False)]
    for channels in (8 * width, 4 * width, 2 * width):
        up = nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=False)
        layers += [nn.BatchNorm2d(channels), nn.ReLU(), up]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh()]
    return initialised(nn.Sequential(*layers))


def dcgan_critic(width: int = 64) -> nn.Module:
    """(N, 3, 64, 64) -> (N, 1)."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for channels in (width, 2 * width, 4 * width):
        down = nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False)
        layers += [down, nn.BatchNorm2d(2 * channels), nn.LeakyReLU(0.2)]
    return initialised(nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4), nn.Flatten()))


def dcgan_step(batch: int) -> Work:
    """One update of the critic and one of the generator, 64x64 images, written plainly."""
    generator, critic = dcgan_generator(), dcgan_critic()
    optimizers = [torch.optim.Adam(player.parameters(), 2e-4, betas=(0.5, 0.999)) for player in (critic, generator)]
    real, one, zero = torch.rand(batch, 3, 64, 64) * 2 - 1, torch.ones(batch, 1), torch.zeros(batch, 1)
    cross_entropy = F.binary_cross_entropy_with_logits

    def step() -> None:
        fake = generator(torch.randn(batch, 100, 1, 1))
        critic_loss = cross_entropy(critic(real), one) + cross_entropy(critic(fake.detach()), zero)
        for player, loss in ((0, lambda: critic_loss), (1, lambda: cross_entropy(critic(fake), one))):
            optimizers[player].zero_grad()
            loss().backward()
            optimizers[player].step()

    return step


def gan_terms(batch: int) -> dict[str, Work]:
    """Both players' terms, forward and backward to what a network of DCGAN's size would give them."""

    def from_network(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, requires_grad=True)

    image = (3, 64, 64)
    real_score, fake_score = from_network(1), from_network(1)
    real, fake, reconstruction, second = torch.randn(batch, *image), *(from_network(*image) for _ in range(3))
    embedding = from_network(512 * 4 * 4)  # the deepest maps of the critic
    logits, code, mean, uniform = from_network(10), torch.randint(10, (batch,)), from_network(2), torch.rand(batch, 2)
    margin = EnergyMargin(20.0)

    def f_divergence(loss: FDivergence) -> Work:
        def run() -> None:
            torch.autograd.grad(loss.critic_loss(real_score, fake_score), [real_score, fake_score])
            torch.autograd.grad(loss.generator_loss(fake_score), fake_score)

        return run

    def ebgan() -> None:
        energies = reconstruction_energy(real, reconstruction), reconstruction_energy(fake.detach(), second)
        torch.autograd.grad(margin.critic_loss(*energies), [reconstruction, second])
        generator_loss = margin.generator_loss(reconstruction_energy(fake, second)) + 0.1 * pulling_away(embedding)
        torch.autograd.grad(generator_loss, [fake, second, embedding])

    def infogan() -> None:
        loss = -categorical_information(logits, code) - uniform_information(mean, uniform)
        torch.autograd.grad(loss, [logits, mean])

    divergences = {
        f"f_divergence {name} {form}": f_divergence(FDivergence(name, form))
        for name in DIVERGENCES
        for form in ("paper", "log-ratio")
    }
    return {"ebgan": ebgan, "infogan": infogan, **divergences}


def gan_figures(batch: int, repeats: int) -> dict[str, object]:
    """The terms' shares of the step; of the divergences, the dearest."""
    seconds = median_seconds({"step": dcgan_step(batch), **gan_terms(batch)}, repeats)
    dearest = max((name for name in seconds if name.startswith("f_divergence")), key=seconds.__getitem__)
    chosen = {"f_divergence": seconds[dearest], "ebgan": seconds["ebgan"], "infogan": seconds["infogan"]}
    return {
        "dcgan_step_batch": batch,
        "dcgan_step_seconds": seconds["step"],
        "dearest_f_divergence": dearest.partition(" ")[2],
        **{f"seconds_{name}": value for name, value in chosen.items()},
        **{f"share_of_dcgan_step_{name}": value / seconds["step"] for name, value in chosen.items()},
    }


def squeezenet() -> Path | None:
    """Weights of the LPIPS loss, where there are any."""
    folder = paths.optional_data_folder()
    return folder / "weights" / paths.NETWORKS["lpips"] if folder else None


def main() -> None:
    """Measure everything, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=192, help="side of the images of the perceptual losses")
    parser.add_argument("--batch", type=int, default=4, help="their number")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("-o", "--output", type=Path, default=paths.RESULTS / "bench_losses.json")
    options = parser.parse_args()
    torch.manual_seed(0)
    target = torch.rand(options.batch, 3, options.side, options.side)
    image = (target + 0.1 * torch.randn_like(target)).clamp(0, 1)
    lpips_weights = "random" if squeezenet() is None else "SRGAN_KIT_DATA/weights/squeezenet1_1_onnxzoo_tvkeys"
    found: dict[str, object] = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "images": list(target.shape),
        "vgg_weights": "random",
        "lpips_weights": lpips_weights,
    }
    found |= vgg_figures(image, target, options.repeats)
    found |= lpips_figures(image, target, 3 * options.repeats)
    found |= gan_figures(64, 3 * options.repeats)
    report(found, check(found), options.output)


if __name__ == "__main__":
    main()
