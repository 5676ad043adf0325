"""How many of a folder's images are held out."""

ALONE = "there is one training image: it is validated on itself, so its numbers say nothing of other images"
"""The warning where nothing else can be held out."""


def holdout_count(images: int, wanted: int, largest_fraction: float) -> int:
    """How many of `images` are set aside: `wanted`, but at most that fraction of them, at least one, and never all.

    >>> [holdout_count(images, 16, 0.1) for images in (1, 2, 20, 159, 160, 1000)]
    [0, 1, 2, 15, 16, 16]
    """
    if wanted == 0 or images < 2:
        return 0
    return min(wanted, max(1, int(images * largest_fraction)), images - 1)
