"""What networks that are built for one shape say when another comes."""

from torch import Tensor

from srgan_kit.errors import UserError


def expect(owner: str, name: str, tensor: Tensor | None, *shape: int | str) -> Tensor:
    """The tensor, if it is (N, *shape); a letter stands for any number.

    Raises:
        UserError: it is not, or there is none; the message names the owner, what was expected and what came.
    """
    sizes = () if tensor is None else tensor.shape[1:]
    alike = len(sizes) == len(shape) and all(
        isinstance(wanted, str) or wanted == size for wanted, size in zip(shape, sizes, strict=True)
    )
    if tensor is None or not alike:
        came = "none" if tensor is None else tuple(tensor.shape)
        raise UserError(f"{owner}: expected {name} of shape ({', '.join(['N', *map(str, shape)])}), got {came}")
    return tensor
