"""What critics say besides a score, classes and codes, and see besides an image, a condition and the batch."""

from collections.abc import Sequence
from typing import Literal, TypedDict

import torch
from torch import Tensor, nn

from srgan_kit import losses
from srgan_kit.contracts import CodePosterior, Critique
from srgan_kit.layers.check_shape import expect

HIDDEN = 128
"""Width of the code head's hidden layer, and of an encoded condition."""
CONDITION_SIDE = 4
"""Larger conditions are averaged to this many positions a side."""

CodeNormalisation = Literal["none", "batch"]
"""What stands in the code head's hidden layer, before its activation."""


class HeadSettings(TypedDict, total=False):
    """The keyword arguments of `Heads` that critics pass on."""

    classes: int
    categorical: Sequence[int]
    continuous: int
    minibatch_kernels: int
    condition: tuple[int, int] | None
    code_normalisation: CodeNormalisation
    condition_hidden: int


class CodeHead(nn.Module):
    """Q of InfoGAN: one hidden layer on the critic's features.

    (N, features) -> CodePosterior: logits of each categorical code, and the mean of the continuous ones.

    The hidden layer has the paper's width. With "batch" it has its batch norm too; without it, what Q says of an image
    does not depend on the others. Chen et al. 2016, "InfoGAN", sec. 6 and appendix C, arXiv:1606.03657
    """

    def __init__(
        self, features: int, categorical: Sequence[int], continuous: int, normalisation: CodeNormalisation = "none"
    ) -> None:
        super().__init__()
        self.sizes = [*categorical, continuous]
        normalised = [nn.BatchNorm1d(HIDDEN)] if normalisation == "batch" else []
        self.layers = nn.Sequential(
            nn.Linear(features, HIDDEN, bias=not normalised),
            *normalised,
            nn.LeakyReLU(0.2),
            nn.Linear(HIDDEN, sum(self.sizes)),
        )

    def forward(self, features: Tensor) -> CodePosterior:
        """(N, features) -> CodePosterior."""
        *categorical, mean = self.layers(features).split(self.sizes, dim=1)
        return CodePosterior(categorical, mean)


class Heads(nn.Module):
    """Score, class and code heads on a critic's trunk.

    Features of the trunk (N, F) and, where asked for, a condition (N, C, h, w) -> Critique.

        f = trunk, beside LeakyReLU(linear(condition averaged to at most 4x4)); LeakyReLU(linear(both)) if asked for
        g = f, beside its similarity to the rest of the batch
        score = linear(g)      class_logits = linear(g)      codes = Q(f)

    Codes are read from f, each image's by itself; classes from g, because where classes are also what tells real from
    fake, nothing else could see the batch. Minibatch discrimination: Salimans et
    al. 2016, sec. 3.2, arXiv:1606.03498; a condition that the critic sees: Dosovitskiy and Brox 2016, arXiv:1602.02644.
    Without a hidden layer on both, a score is a sum of what the image and the condition say, each alone: such a critic
    cannot tell whether they fit, and what the condition says is the same for real and for generated images.

    Args:
        features: F.
        classes: number of classes; 0 for no class head.
        categorical: number of classes of each categorical code.
        continuous: number of continuous codes.
        minibatch_kernels: kernels of minibatch discrimination; 0 for none.
        condition: channels and side of the condition; None for none, and then one that comes is not looked at.
        code_normalisation: of the code head's hidden layer.
        condition_hidden: width of the hidden layer on trunk and condition together; 0 for none.

    Raises:
        UserError: from forward, a condition of another shape, or none.
    """

    def __init__(
        self,
        features: int,
        classes: int = 0,
        categorical: Sequence[int] = (),
        continuous: int = 0,
        minibatch_kernels: int = 0,
        condition: tuple[int, int] | None = None,
        code_normalisation: CodeNormalisation = "none",
        condition_hidden: int = 0,
    ) -> None:
        super().__init__()
        self.provides = provided(classes, categorical, continuous)
        self.kinds = 1
        """How many kinds of images, in equal numbers, the batch has one after the other; each sees its own alone."""
        self.condition = condition
        self.condition_encoder = _condition_encoder(*condition) if condition else None
        features += HIDDEN if condition else 0
        self.joint = None
        if condition and condition_hidden:
            self.joint = nn.Sequential(nn.Linear(features, condition_hidden), nn.LeakyReLU(0.2))
            features = condition_hidden
        with_batch = features + minibatch_kernels
        self.minibatch = losses.MinibatchDiscrimination(features, minibatch_kernels) if minibatch_kernels else None
        self.score_head = nn.Linear(with_batch, 1)
        self.class_head = nn.Linear(with_batch, classes) if classes else None
        codes = (features, categorical, continuous, code_normalisation)
        self.code_head = CodeHead(*codes) if categorical or continuous else None

    def forward(self, trunk: Tensor, features: list[Tensor], condition: Tensor | None = None) -> Critique:
        """(N, F), the maps to show in the critique, and the condition -> Critique with score (N, 1)."""
        own = trunk
        if self.condition and self.condition_encoder:
            maps = expect("critic", "a condition", condition, self.condition[0], "h", "w")
            own = torch.cat([trunk, self.condition_encoder(maps)], dim=1)
            own = self.joint(own) if self.joint else own
        with_batch = own
        if self.minibatch:
            with_batch = torch.cat([self.minibatch(kind) for kind in own.chunk(self.kinds)])
        return Critique(
            score=self.score_head(with_batch),
            features=features,
            class_logits=self.class_head(with_batch) if self.class_head else None,
            codes=self.code_head(own) if self.code_head else None,
        )


def provided(classes: int, categorical: Sequence[int], continuous: int) -> frozenset[str]:
    """What critics with these heads provide, by names of `contracts.REQUIREMENTS`; all show their features."""
    codes = bool(categorical or continuous)
    return frozenset({"features"} | ({"class_logits"} if classes else set()) | ({"codes"} if codes else set()))


def critic_parts(critic: nn.Module) -> dict[str, list[nn.Parameter]]:
    """A critic's parameters by part: the heads that read codes, and everything else."""
    codes = [parameter for head in critic.modules() if isinstance(head, CodeHead) for parameter in head.parameters()]
    trunk = [parameter for parameter in critic.parameters() if all(parameter is not code for code in codes)]
    return {"codes": codes, "trunk": trunk}


def _condition_encoder(channels: int, size: int) -> nn.Sequential:
    side = min(size, CONDITION_SIDE)
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(channels * side**2, HIDDEN), nn.LeakyReLU(0.2)
    )
