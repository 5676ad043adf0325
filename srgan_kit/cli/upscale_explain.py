"""`srgan-kit upscale --explain`: a map of where the result departs from what the input supports."""

from pathlib import Path
from typing import TYPE_CHECKING

from srgan_kit.images.mark import software_tag

if TYPE_CHECKING:
    from srgan_kit.images.image import LoadedImage
    from srgan_kit.upscaling.image_runner import Progress
    from srgan_kit.upscaling.upscaler import Upscaler

HIGHEST = 20.0
"""Levels of 255 at the end of the scale, always the same, so that maps can be compared."""
FAR = 5.0
"""Levels of 255 from which a departure is easily seen."""
TITLE = "departure from what the input supports, in levels of 255"


def draw_map(
    file: Path,
    upscaler: "Upscaler",
    small: "LoadedImage",
    result: "LoadedImage",
    progress: "Progress | None" = None,
    *,
    overwrite: bool = False,
) -> str:
    """Write the map of a result of the image `small`; returns what it shows, in words.

    Raises:
        FileExistsError: the file exists, and is not to be replaced.
        UserError: it cannot be written; the fidelity model fails.
    """
    from srgan_kit.images.encode import write_image
    from srgan_kit.images.image import LoadedImage
    from srgan_kit.images.overlay import overlay
    from srgan_kit.upscaling.explanation import departure

    fidelity, choice = upscaler.fidelity(small, result.size, progress)
    values = departure(result.pixels, fidelity.pixels, small.pixels)
    drawn = LoadedImage(overlay(result.pixels, values, HIGHEST, TITLE))
    write_image(drawn, file, software=software_tag(choice.name, "map"), replace=overwrite)
    return (
        f"{file}: departs from what the input supports by {values.mean():.1f} levels on average, "
        f"by {FAR:g} or more in {(values >= FAR).mean():.0%} of the image"
    )
