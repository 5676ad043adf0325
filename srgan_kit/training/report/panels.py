"""Which charts a log gives: by the names of its numbers, with how to read each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from srgan_kit.training.report.charts import Chart
from srgan_kit.training.report.log import Points, RunLog
from srgan_kit.training.telemetry import BICUBIC, VALIDATION


@dataclass(frozen=True)
class Section:
    """Charts under a heading."""

    heading: str
    charts: list[Chart]


LEARNED = "What was learned"
MEASURES = {
    "psnr_y": ("PSNR on luma, dB", "Nearness to the held-out images, pixel by pixel; higher is nearer."),
    "psnr": ("PSNR, dB", "Nearness of reconstructions to held-out images; higher is nearer."),
    "lpips": ("LPIPS", "Perceptual distance from the held-out images; lower looks nearer."),
    "lpips_like": ("LPIPS-like", "Perceptual distance from the held-out images; lower looks nearer."),
    "diversity": ("Diversity", "How much generated images differ from each other, as a fraction of real ones."),
    "sharpness": ("Sharpness", "Strength of detail, as a fraction of real images'; noise has much, too."),
}
"""Titles and meanings of the task's measures."""
AS_REAL = ("diversity", "sharpness")
"""Those of which 1 is as real images have it."""


@dataclass(frozen=True)
class Together:
    """A chart of numbers that are known by their names."""

    section: str
    title: str
    meaning: str
    names: tuple[str, ...]
    """In the log."""
    references: Mapping[str, float] = field(default_factory=dict)
    percent: bool = False
    noisy: bool = True


TOGETHER = (
    Together(
        "Critic",
        "Scores in training",
        "Of the last batch. The two are apart while the game goes on, but not without limit.",
        ("score_real", "score_fake"),
    ),
    Together(
        "Critic",
        "Scores of held-out images",
        "Where training images are far above them, the critic knows those by heart.",
        ("held_out/score_real", "held_out/score_train", "held_out/score_fake"),
    ),
    Together(
        "Critic",
        "What it tells apart",
        "How often a real image scores above a generated one, and a training image above a held-out one.",
        ("held_out/separation", "held_out/memorised"),
        {"chance": 0.5},
        percent=True,
    ),
    Together(
        "Critic",
        "Probability of being real",
        "Near 100% and 0% the critic is too strong to teach anything.",
        ("held_out/probability_real", "held_out/probability_fake"),
        percent=True,
    ),
    Together("Critic", "Score gap", "Mean score of training images over held-out ones.", ("held_out/score_gap",)),
    Together(
        LEARNED,
        "Evenness of classes, nats",
        "Far below that of real images the generator makes few kinds.",
        ("classes/entropy_real", "classes/entropy_fake"),
    ),
    Together(
        LEARNED,
        "Largest class",
        "The fraction of images in the class used most.",
        ("classes/largest_share_real", "classes/largest_share_fake"),
        percent=True,
    ),
    Together(LEARNED, "Classification error", "Of labelled held-out images.", ("classes/error",), percent=True),
    Together(LEARNED, "Content of the code, nats", "What the posterior tells of an image.", ("posterior/kl",)),
    Together(LEARNED, "Active units", "Latent units that vary over images.", ("posterior/active_units",)),
    Together(
        LEARNED,
        "Effect of the latent vector",
        "Distance of two outputs for one input, over their distance from the real image; at 0 it does nothing.",
        ("latent/spread",),
    ),
    Together(
        "Optimisation",
        "Gradient norms",
        "Before they are clipped. After a fall by thousands nothing is learned any more.",
        ("generator_gradient", "critic_gradient"),
    ),
    Together("Optimisation", "Learning rate", "The generator's.", ("learning_rate",), noisy=False),
    Together("Optimisation", "Steps a second", "Without validations.", ("steps_per_second",)),
)
GROUPS: dict[str, tuple[str, str, str, bool]] = {
    "share": (
        "Losses",
        "Shares of the gradient",
        "Who says how the generator moves; below 1% a term has no say.",
        True,
    ),
    "paused": ("Losses", "Pauses", "Fraction of the steps in which a player did not learn.", True),
    "divergence": (
        LEARNED,
        "Divergence, nats",
        "Between real and generated images, as the critic sees them: a lower bound.",
        False,
    ),
    "information": (LEARNED, "Codes, nats", "What an image tells of the code it was made from.", False),
    "classes": (LEARNED, "Errors of found classes", "Each class named after its most frequent label.", True),
}
"""Charts of all numbers of a group: section, title, meaning, whether they are fractions."""
ORDER = ("Validation", "Losses", "Critic", LEARNED, "Optimisation", "Others")


def sections(log: RunLog) -> list[Section]:
    """The charts of a log by section; every number of it is on one."""
    left = {name: points for name in log.names() if (points := log.points(name))}
    found = [*_measures(log, left), *_together(left), *_groups(left), *_terms(left)]
    found += [("Others", Chart(name, "", {_short(name): points})) for name, points in left.items()]
    by_section = {heading: [chart for section, chart in found if section == heading] for heading in ORDER}
    return [Section(heading, charts) for heading, charts in by_section.items() if charts]


def _measures(log: RunLog, left: dict[str, Points]) -> Iterator[tuple[str, Chart]]:
    for name in [name for name in left if name.startswith(VALIDATION)]:
        points = left.pop(name)
        measure = name.removeprefix(VALIDATION)
        if measure.startswith(BICUBIC):
            continue
        title, meaning = MEASURES.get(measure, (measure, ""))
        levels = {"start": log.start(measure), "bicubic": log.bicubic(measure)}
        levels |= {"as real": 1.0} if measure in AS_REAL else {}
        references = {of: value for of, value in levels.items() if value is not None}
        yield "Validation", Chart(title, meaning, {"this run": points}, references)


def _together(left: dict[str, Points]) -> Iterator[tuple[str, Chart]]:
    for each in TOGETHER:
        lines = {_short(name): left.pop(name) for name in each.names if name in left}
        if lines:
            yield each.section, Chart(each.title, each.meaning, lines, dict(each.references), each.percent, each.noisy)


def _groups(left: dict[str, Points]) -> Iterator[tuple[str, Chart]]:
    entropies = {_short(name): left.pop(name) for name in [*left] if name.startswith("entropy/")}
    limits = {f"all of {name}": points[-1][1] for name, points in entropies.items() if name.startswith("categorical")}
    for name in [name for name in left if name.endswith("_error") and name.removesuffix("_error") in left]:
        del left[name]  # the standard error of another
    for group, (section, title, meaning, percent) in GROUPS.items():
        lines = {_short(name): left.pop(name) for name in [*left] if name.startswith(f"{group}/")}
        if lines:
            yield section, Chart(title, meaning, lines, limits if group == "information" else {}, percent)


def _terms(left: dict[str, Points]) -> Iterator[tuple[str, Chart]]:
    """Each term on a chart of its own, for their sizes have nothing to do with each other."""
    for name in [name for name in left if "/" not in name]:
        points = left.pop(name)
        if name.startswith("weight_"):
            title = f"Weight of {name.removeprefix('weight_')}"
            yield "Losses", Chart(title, "Adapted to hold its share.", {"weight": points}, noisy=False)
            continue
        lines = {"training": points}
        held_out = left.pop(f"held_out/{name}", None)
        if held_out is not None:
            lines["held-out"] = held_out
        of_critic = name.startswith("critic")
        meaning = "The critic's term, without its weight." if of_critic else "Without its weight."
        yield "Critic" if of_critic else "Losses", Chart(name, meaning, lines)


def _short(name: str) -> str:
    """A number's name in a legend."""
    return name.rpartition("/")[2].replace("_", " ")
