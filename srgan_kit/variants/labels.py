"""Which images a variant learns classes from."""

from torch import Tensor

from srgan_kit.contracts import Batch, Critique


def labelled_images(real: Critique, batch: Batch) -> tuple[Critique, Tensor]:
    """The critique and the labels, (N,) int64 with -1 = unlabelled: of the labelled batch, or else of the real images."""
    own = batch if batch.labelled is None or real.of_labelled is None else batch.labelled
    assert own.label is not None
    return (real if own is batch or real.of_labelled is None else real.of_labelled), own.label
