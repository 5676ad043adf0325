"""What is said of DeePSiM's three losses, and whether it holds of what was measured here."""

from scripts.experiments.deepsim.measures import Numbers
from scripts.experiments.deepsim.plans import ALL, IMAGE_ALONE, NO_CRITIC, NO_FEATURES, NO_IMAGE

PAPER = {
    (ALL, "image_error"): 55.0,
    (ALL, "feature_error"): 48.0,
    (IMAGE_ALONE, "image_error"): 46.0,
    (IMAGE_ALONE, "feature_error"): 79.0,
}
"""Of AlexNet's fc6: figures of a deeper layer, whose order matters here and not their size."""
FARTHER = (IMAGE_ALONE, "feature_error")
"""What is expected to be larger."""
WORSE, SIMILAR = 1.1, 1.1
"""Factors: what is worse by less than this is called similar."""
UNSTABLE = 2.0
"""Factor of the changes of PSNR, larger because they are of a few validations."""


def goals(found: dict[str, Numbers]) -> dict[tuple[str, str], float]:
    """The paper's order: all three losses are nearer in features than pixels alone, and in pixels not much farther.

    Not much is the paper's ratio. Pixels alone are to be nearer in pixels, and farther in features (`FARTHER`).
    """
    if ALL not in found or IMAGE_ALONE not in found:
        return {}
    every, alone = found[ALL], found[IMAGE_ALONE]
    return {
        (ALL, "image_error"): alone["image_error"] * PAPER[ALL, "image_error"] / PAPER[IMAGE_ALONE, "image_error"],
        (ALL, "feature_error"): alone["feature_error"],
        (IMAGE_ALONE, "image_error"): every["image_error"],
        FARTHER: every["feature_error"],
    }


def statements(network: str, found: dict[str, Numbers]) -> list[str]:
    """A sentence for each statement of the survey whose runs are there."""
    if ALL not in found:
        return []
    every = found[ALL]
    sentences: list[str] = []
    if NO_CRITIC in found:
        without = found[NO_CRITIC]
        holds = without["judge_error"] > WORSE * every["judge_error"]
        sentences.append(
            f'{network}: "without the adversarial loss, very bad" is {_verdict(holds)}: a network with no part in it '
            f"finds the images {without['judge_error']:.0f} % off, with all three losses {every['judge_error']:.0f} %; "
            f"sharpness is {without['sharpness']:.2f} and {every['sharpness']:.2f} of the originals'."
        )
    if NO_FEATURES in found:
        without = found[NO_FEATURES]
        same_layout = without["image_error"] <= SIMILAR * every["image_error"]
        holds = same_layout and without["feature_error"] > WORSE * every["feature_error"]
        sentences.append(
            f'{network}: "without the feature loss, outlines without detail" is {_verdict(holds)}: in pixels '
            f"{without['image_error']:.0f} % off ({every['image_error']:.0f} % with it), in the features "
            f"{without['feature_error']:.0f} % ({every['feature_error']:.0f} %)."
        )
    if NO_IMAGE in found:
        without = found[NO_IMAGE]
        similar = without["judge_error"] <= SIMILAR * every["judge_error"]
        unstable = without["unrest"] > UNSTABLE * every["unrest"]
        sentences.append(
            f'{network}: "without the image loss, similar" is {_verdict(similar)} '
            f"({without['judge_error']:.0f} % and {every['judge_error']:.0f} % off for the other network), "
            f'"but unstable" is {_verdict(unstable)} (held-out PSNR changes by {without["unrest"]:.2f} dB from one '
            f"validation to the next, with all three by {every['unrest']:.2f} dB)."
        )
    return sentences


def _verdict(holds: bool) -> str:
    return "confirmed" if holds else "not confirmed"
