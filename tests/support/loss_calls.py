"""Every public loss with an example of each of its tensors; `test_every_input.py` sees to it that none is missing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

import losses

LABELS = torch.tensor([0, -1, 2])


def rand(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


@dataclass(frozen=True)
class Call:
    """A loss and an example of each of its tensors, by name."""

    function: Callable[..., Any]
    tensors: dict[str, Tensor]
    settings: dict[str, Any] = field(default_factory=dict)
    bounded: dict[str, str] = field(default_factory=dict)
    """Tensors in which an infinity has a finite value, and why. Others are infinite or not a number there."""
    optional: frozenset[str] = frozenset()
    """Tensors that the loss accepts and does not use."""

    def __call__(self, **changed: Any) -> Any:
        return self.function(**{**self.tensors, **self.settings, **changed})


IMAGES = {"a": rand(3, 3, 25, 27), "b": rand(3, 3, 25, 27).flip(-1)}
PAIR = {"image": IMAGES["a"], "target": IMAGES["b"]}
SCORES = {"real_score": rand(3, 1), "fake_score": rand(3, 1) - 0.5}
CLASSES = {"real_logits": rand(3, 4), "fake_logits": rand(3, 4).flip(0)}
GAUSSIAN = {"mean": rand(3, 4), "log_variance": rand(3, 4).flip(1)}


def halved(image: Tensor) -> Tensor:
    """Leaves out the last row and column of odd sides."""
    return nn.functional.avg_pool2d(image, 2)


def maps_of(image: Tensor) -> dict[str, Tensor]:
    """Maps of a network that leaves out the last row and column of odd sides."""
    return {"small": halved(image), "smaller": halved(halved(image))}


def vgg() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "features.0.weight": torch.randn(64, 3, 3, 3, generator=generator) / 5,
        "features.0.bias": torch.zeros(64),
        "features.2.weight": torch.randn(64, 64, 3, 3, generator=generator) / 24,
        "features.2.bias": torch.zeros(64),
    }


def alexnet() -> dict[str, Tensor]:
    from torchvision.models import alexnet

    torch.manual_seed(0)
    return alexnet(weights=None).state_dict()


@lru_cache
def vgg16() -> dict[str, Tensor]:
    """Random weights that keep the size of maps, as all of a VGG16 that DISTS needs."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    before = 3
    positions = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512}
    for position, after in (positions | {24: 512, 26: 512, 28: 512}).items():
        weight = torch.randn(after, before, 3, 3, generator=generator) / (4.5 * before) ** 0.5
        state |= {f"features.{position}.weight": weight, f"features.{position}.bias": torch.zeros(after)}
        before = after
    return state


def dists_weights() -> dict[str, Tensor]:
    """Random ones, in the form of the authors' file."""
    return {kind: rand(1, 1475, 1, 1) for kind in ("alpha", "beta")}


def shufflenet() -> dict[str, Tensor]:
    from torchvision.models import shufflenet_v2_x0_5

    torch.manual_seed(0)
    return shufflenet_v2_x0_5(weights=None).state_dict()


def squeezenet() -> dict[str, Tensor]:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    return squeezenet1_1(weights=None).state_dict()


def mapped(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """With one tensor where the function takes {layer: tensor}."""

    def call(features: Any, target_features: Any) -> Tensor:
        return function({"a": features}, {"a": target_features}, {"a": 1.0})

    return call


def adversarial(name: str, loss: Any, **bounded: str) -> dict[str, Call]:
    return {
        f"{name}, critic": Call(loss.critic_loss, SCORES, bounded=bounded),
        f"{name}, generator": Call(
            loss.generator_loss,
            SCORES,
            bounded=bounded,
            optional=frozenset() if name.startswith("Relativistic") else frozenset({"real_score"}),
        ),
    }


def slope_at_zero(score: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of a linear critic, whose gradient is a number wherever it is, and its images."""
    if not (isinstance(score, Tensor) and isinstance(image, Tensor)):
        return score, image
    image = image.clone().requires_grad_()
    return (image.flatten(1).sum(dim=1) * 2 + score.flatten(1).sum(dim=1)), image


SHUFFLENET = losses.TorchvisionFeatures("shufflenet_v2_x0_5", ["stage2"], shufflenet())
SATURATES = "the limit of a bounded function, such as a softplus on its flat side"
ONE_SIDE = {"real_score": SATURATES, "fake_score": SATURATES}
RULED_OUT = "a logit of minus infinity rules out a class"
EXP = "exp of minus infinity is 0"
CALLS: dict[str, Call] = {
    "l1": Call(losses.l1, {**IMAGES, "weight": rand(3, 1, 25, 27)}),
    "mse": Call(losses.mse, IMAGES),
    "charbonnier": Call(losses.charbonnier, IMAGES),
    "charbonnier, barron": Call(losses.charbonnier, IMAGES, {"form": "barron"}),
    "huber": Call(losses.huber, IMAGES),
    "L1Loss": Call(losses.L1Loss(), {**IMAGES, "weight": rand(3, 1, 25, 27)}),
    "MSELoss": Call(losses.MSELoss(), IMAGES),
    "CharbonnierLoss": Call(losses.CharbonnierLoss(), IMAGES),
    "HuberLoss": Call(losses.HuberLoss(), IMAGES),
    "phase_balance": Call(losses.phase_balance, PAIR),
    "phase_evenness": Call(losses.phase_evenness, PAIR),
    "phase_bias": Call(losses.phase_bias, PAIR, {"period": 2, "window": 3}),
    "phase_bias, one window": Call(
        losses.phase_bias,
        PAIR,
        {"period": 4, "window": 4},
    ),
    "PhaseBalanceLoss": Call(losses.PhaseBalanceLoss(), PAIR),
    "PhaseEvennessLoss": Call(losses.PhaseEvennessLoss(), PAIR),
    "PhaseBiasLoss": Call(losses.PhaseBiasLoss(2, 3), PAIR),
    "total_variation": Call(losses.total_variation, {"image": PAIR["image"]}),
    "total_variation, isotropic": Call(losses.total_variation, {"image": PAIR["image"]}, {"norm": "isotropic"}),
    "TotalVariationLoss": Call(losses.TotalVariationLoss("squared", "sum"), {"image": PAIR["image"]}),
    "ssim": Call(losses.ssim, IMAGES),
    "ms_ssim": Call(losses.ms_ssim, IMAGES),
    "SSIMLoss": Call(losses.SSIMLoss(), IMAGES),
    "MSSSIMLoss": Call(losses.MSSSIMLoss(), {"a": rand(1, 1, 161, 161), "b": rand(1, 1, 161, 161).mT.contiguous()}),
    "MSSSIMLoss, small": Call(losses.MSSSIMLoss(), IMAGES),
    "focal_frequency": Call(losses.focal_frequency, IMAGES),
    "focal_frequency, alpha 0": Call(losses.focal_frequency, IMAGES, {"alpha": 0.0}),
    "FocalFrequencyLoss": Call(losses.FocalFrequencyLoss(), IMAGES),
    "fourier_l1": Call(losses.fourier_l1, IMAGES),
    "artifact_map": Call(
        losses.artifact_map,
        {**PAIR, "average_image": rand(3, 3, 25, 27) / 2},
        bounded={"average_image": "there every pixel is better than the average"},
    ),
    "local_discriminative": Call(
        losses.local_discriminative,
        {**PAIR, "average_image": rand(3, 3, 25, 27) / 2},
        bounded={"average_image": "there every pixel is better than the average"},
    ),
    "LocalDiscriminativeLoss": Call(losses.LocalDiscriminativeLoss(), PAIR),
    "color_consistency": Call(losses.color_consistency, PAIR),
    "ColorConsistencyLoss": Call(losses.ColorConsistencyLoss(1.0), PAIR),
    "sobel": Call(losses.sobel, IMAGES),
    "sobel, magnitude": Call(losses.sobel, IMAGES, {"form": "magnitude"}),
    "SobelLoss": Call(losses.SobelLoss(), IMAGES),
    "stationary_wavelet": Call(losses.stationary_wavelet, IMAGES),
    "StationaryWaveletLoss": Call(losses.StationaryWaveletLoss("haar", 2), IMAGES),
    "structure_and_texture": Call(
        lambda features, target_features: losses.structure_and_texture(
            {"a": features}, {"a": target_features}, {"a": torch.full((3,), 0.2)}, {"a": torch.full((3,), 0.1)}
        ),
        {"features": rand(2, 3, 4, 5), "target_features": rand(2, 3, 4, 5).flip(0)},
    ),
    "DISTSLoss": Call(
        losses.DISTSLoss(dists_weights(), vgg16()), {"image": rand(1, 3, 17, 18), "target": rand(1, 3, 17, 18).flip(-1)}
    ),
    "TorchvisionFeatures": Call(
        lambda image: losses.FeatureLoss(SHUFFLENET)(image, rand(1, 3, 18, 20)), {"image": rand(1, 3, 18, 20).flip(-1)}
    ),
    "consistency": Call(
        lambda image, low_resolution: losses.consistency(image, low_resolution, halved),
        {"image": IMAGES["a"], "low_resolution": rand(3, 3, 12, 13)},
    ),
    "ConsistencyLoss": Call(
        losses.ConsistencyLoss(halved, "charbonnier"),
        {"image": IMAGES["a"], "low_resolution": rand(3, 3, 12, 13)},
    ),
    "contextual": Call(losses.contextual, {"features": rand(2, 4, 3, 3), "target_features": rand(2, 4, 3, 2)}),
    "ContextualLoss": Call(
        losses.ContextualLoss("small", extractor=maps_of),
        {"image": rand(2, 3, 7, 8), "target": rand(2, 3, 7, 7)},
    ),
    "gram_matrix": Call(losses.gram_matrix, {"maps": rand(1, 3, 4, 4)}),
    "StyleLoss": Call(
        losses.StyleLoss(["small", "smaller"], extractor=maps_of),
        PAIR,
    ),
    "StyleLoss, VGG": Call(losses.StyleLoss("conv1_2", weights=vgg()), PAIR),
    "feature_distance": Call(
        mapped(losses.feature_distance), {"features": rand(2, 3), "target_features": rand(2, 3).flip(0)}
    ),
    "FeatureLoss": Call(losses.FeatureLoss(maps_of), PAIR),
    "VGGFeatureLoss": Call(losses.VGGFeatureLoss("pool1", weights=vgg()), PAIR),
    "LPIPSLoss": Call(
        losses.LPIPSLoss("alex", alexnet()),
        {"image": rand(2, 3, 42, 36), "target": rand(2, 3, 42, 36).flip(0)},
    ),
    "SqueezeNetFeatures": Call(
        lambda image: losses.FeatureLoss(losses.SqueezeNetFeatures(["fire2"], squeezenet()))(image, rand(1, 3, 18, 20)),
        {"image": rand(1, 3, 18, 20).flip(-1)},
    ),
    **adversarial("NonSaturating", losses.NonSaturating(), **ONE_SIDE),
    **adversarial("NonSaturating smoothed", losses.NonSaturating("two-sided"), **ONE_SIDE),
    **adversarial("Minimax", losses.Minimax(), **ONE_SIDE),
    **adversarial("LeastSquares", losses.LeastSquares()),
    **adversarial("Hinge", losses.Hinge(), **ONE_SIDE),
    **adversarial("Wasserstein", losses.Wasserstein()),
    **adversarial("RelativisticAverage", losses.RelativisticAverage(), **ONE_SIDE),
    **adversarial("RelativisticAverage hinge", losses.RelativisticAverage("hinge"), **ONE_SIDE),
    **adversarial("RelativisticPairing", losses.RelativisticPairing(), **ONE_SIDE),
    **adversarial("RelativisticPairing hinge", losses.RelativisticPairing("hinge"), **ONE_SIDE),
    **adversarial("EnergyMargin", losses.EnergyMargin(1.0), **ONE_SIDE),
    **{
        key: call
        for name in ("kl", "reverse-kl", "pearson", "neyman", "squared-hellinger", "jensen-shannon", "gan", "jeffrey")
        for key, call in adversarial(f"FDivergence {name}", losses.FDivergence(name, "log-ratio"), **ONE_SIDE).items()
    },
    **{
        key: call
        for name, alpha in (("total-variation", None), ("alpha", 3.0), ("alpha", 0.5), ("alpha", -1.0))
        for form in ("paper", "log-ratio")
        for key, call in adversarial(
            f"FDivergence {name} {alpha} {form}",
            losses.FDivergence(name, form, alpha=alpha),
            **ONE_SIDE,
        ).items()
    },
    "estimate_divergence": Call(
        lambda **ratios: torch.stack(losses.estimate_divergence("gan", **ratios)).sum(),
        {"log_ratio_real": rand(3, 2), "log_ratio_fake": rand(4, 2)},
        bounded=dict.fromkeys(("log_ratio_real", "log_ratio_fake"), SATURATES),
    ),
    "reconstruction_energy": Call(
        losses.reconstruction_energy, {"image": rand(3, 5), "reconstruction": rand(3, 5).flip(0)}
    ),
    "pulling_away": Call(losses.pulling_away, {"embedding": rand(3, 4)}),
    "feature_matching": Call(
        losses.feature_matching, {"real_features": rand(3, 4), "fake_features": rand(3, 4).flip(0)}
    ),
    "feature_matching, layers": Call(
        lambda real, fake: losses.feature_matching([rand(3, 4), real], [rand(3, 4), fake]),
        {"real": rand(3, 4), "fake": rand(2, 4)},
    ),
    "moment_matching": Call(losses.moment_matching, {"real": rand(3, 4), "fake": rand(2, 4)}),
    "maximum_mean_discrepancy": Call(losses.maximum_mean_discrepancy, {"real": rand(3, 4), "fake": rand(2, 4)}),
    "minibatch_similarity": Call(losses.minibatch_similarity, {"projected": rand(3, 2, 4)}),
    "MinibatchDiscrimination": Call(losses.MinibatchDiscrimination(5, 2, 3), {"features": rand(3, 5)}),
    "categorical_information": Call(
        losses.categorical_information,
        {"logits": rand(3, 4), "code": torch.tensor([0, 1, 3])},
        bounded={"logits": RULED_OUT},
    ),
    "categorical_information, one-hot": Call(
        losses.categorical_information, {"logits": rand(3, 4), "code": torch.eye(4)[:3]}
    ),
    "uniform_information": Call(losses.uniform_information, {"mean": rand(3, 4), "code": rand(3, 4).flip(0)}),
    "gaussian_information": Call(
        losses.gaussian_information,
        {**GAUSSIAN, "code": rand(3, 4).flip(0)},
        bounded={"log_variance": "it has a floor"},
    ),
    "entropy_from_logits": Call(losses.entropy_from_logits, {"logits": rand(3, 4)}, bounded={"logits": RULED_OUT}),
    "marginal_entropy": Call(losses.marginal_entropy, {"logits": rand(3, 4)}, bounded={"logits": RULED_OUT}),
    "labelled_cross_entropy": Call(
        losses.labelled_cross_entropy, {"logits": rand(3, 4), "label": LABELS}, bounded={"logits": RULED_OUT}
    ),
    "real_logit": Call(losses.real_logit, {"logits": rand(3, 4)}, bounded={"logits": RULED_OUT}),
    "unlabelled_loss": Call(losses.unlabelled_loss, CLASSES, bounded=dict.fromkeys(CLASSES, SATURATES)),
    "CategoricalGAN, critic": Call(
        losses.CategoricalGAN().critic_loss,
        {**CLASSES, "labels": LABELS},
        bounded=dict.fromkeys(CLASSES, RULED_OUT),
    ),
    "CategoricalGAN, generator": Call(
        losses.CategoricalGAN().generator_loss,
        CLASSES,
        bounded={"fake_logits": RULED_OUT},
        optional=frozenset({"real_logits"}),
    ),
    "SemiSupervised, critic": Call(
        losses.SemiSupervised().critic_loss,
        {**CLASSES, "labels": LABELS},
        bounded={"fake_logits": SATURATES, "real_logits": RULED_OUT},
    ),
    "SemiSupervised, generator": Call(
        losses.SemiSupervised().generator_loss,
        CLASSES,
        bounded={"fake_logits": SATURATES},
        optional=frozenset({"real_logits"}),
    ),
    "gaussian_kl": Call(losses.gaussian_kl, {**GAUSSIAN, "prior_mean": rand(3, 4), "prior_log_variance": rand(3, 4)}),
    "reparameterise": Call(losses.reparameterise, GAUSSIAN, bounded={"log_variance": EXP}),
    "bernoulli_nll": Call(losses.bernoulli_nll, {"logits": rand(3, 4), "target": rand(3, 4).flip(0)}),
    "gaussian_nll": Call(
        losses.gaussian_nll, {"mean": rand(3, 4), "target": rand(3, 4).flip(0), "log_variance": rand(3, 4)}
    ),
    "discretised_logistic_nll": Call(
        losses.discretised_logistic_nll,
        {"mean": rand(3, 4), "target": rand(3, 4).flip(0), "log_scale": rand(3, 4) - 2},
        bounded={"target": "values outside count as 0 or 1", "log_scale": "it has a floor"},
    ),
    "negative_elbo": Call(losses.negative_elbo, {"nll": rand(1), **GAUSSIAN}),
    "importance_log_weights": Call(
        losses.importance_log_weights,
        {"log_likelihood": rand(2, 3), "code": rand(2, 3, 4), **GAUSSIAN},
        bounded={"log_variance": EXP},
    ),
    "iwae_bound": Call(losses.iwae_bound, {"log_weights": rand(3, 4)}, bounded={"log_weights": EXP}),
    "learned_similarity": Call(
        losses.learned_similarity, {"real_features": rand(3, 4), "fake_features": rand(3, 4).flip(0)}
    ),
    "categorical_pixel_nll": Call(
        losses.categorical_pixel_nll,
        {"logits": rand(2, 4, 3, 2, 2), "image": rand(2, 3, 2, 2)},
        bounded={"image": "values outside count as 0 or 1", "logits": EXP},
    ),
    "mixture_of_logistics_nll": Call(
        losses.mixture_of_logistics_nll,
        {"parameters": rand(2, 20, 2, 2), "image": rand(2, 3, 2, 2)},
        bounded={"image": "values outside count as 0 or 1", "parameters": "one logistic of several"},
    ),
    "sample_mixture_of_logistics": Call(
        lambda parameters: losses.sample_mixture_of_logistics(parameters, 1),
        {"parameters": rand(2, 3, 2, 2)},
        bounded={"parameters": "values outside count as 0 or 1"},
    ),
    "r1_penalty": Call(
        lambda score, image: losses.r1_penalty(*slope_at_zero(score, image)),
        {"score": rand(3, 1), "image": rand(3, 4)},
    ),
    "r2_penalty": Call(
        lambda score, image: losses.r2_penalty(*slope_at_zero(score, image)),
        {"score": rand(3, 1), "image": rand(3, 4)},
    ),
    "gradient_penalty": Call(
        lambda real, fake: losses.gradient_penalty(lambda x: 3 * x[:, 0] + x[:, 1], real, fake),
        {"real": rand(3, 2), "fake": rand(3, 2).flip(0)},
    ),
    "historical_averaging": Call(
        lambda parameters, averages: losses.historical_averaging([rand(2), parameters], [rand(2), averages]),
        {"parameters": rand(3, 4), "averages": rand(3, 4).flip(0)},
    ),
    "HistoricalAverage": Call(
        lambda parameter, later: losses.HistoricalAverage([parameter]).penalty([later]),
        {"parameter": rand(3, 4), "later": rand(3, 4).flip(0)},
    ),
}
