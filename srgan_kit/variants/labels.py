"""Which images a variant learns classes from."""

from torch import Tensor

from srgan_kit.contracts import Batch, Critique


def labelled_images(real: Critique, batch: Batch) -> tuple[Critique, Tensor]:
    """The critique and the labels, (N,) int64 with -1 = unlabelled, of the labelled batch, or else of the real images.

    Only a step of training judges the labelled batch; anything else sees the real images alone.
    """
    taught, images = (real, batch) if batch.labelled is None else (real.of_labelled, batch.labelled)
    assert taught is not None
    assert images.label is not None
    return taught, images.label
