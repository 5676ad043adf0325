"""How large results are to be, as a command line or a request says it; torch is not imported."""

from dataclasses import dataclass

from srgan_kit.errors import UserError

Size = tuple[int, int]
LARGEST_SCALE = 64


@dataclass(frozen=True)
class ResultSize:
    """How large results are to be: by one of these, or, by none, at the scale of the model.

    Raises:
        UserError: more than one of them, a number that cannot be.
    """

    scale: float | None = None
    """Times as large."""
    box: Size | None = None
    """As large as fits into (width, height), in the same shape."""
    width: int | None = None
    """So wide, in the same shape."""
    height: int | None = None
    """So high, in the same shape."""

    def __post_init__(self) -> None:
        given = [("--scale", self.scale), ("--fit", self.box), ("--width", self.width), ("--height", self.height)]
        names = [name for name, value in given if value is not None]
        if names == ["--width", "--height"]:
            box = f"{self.width}x{self.height}"
            raise UserError(f"--width and --height: both would change the shape; --fit {box} fits into that box")
        if len(names) > 1:
            raise UserError(f"{names[0]} and {names[1]}: expected one of them, got both")
        if self.scale is not None and not 0 < self.scale <= LARGEST_SCALE:
            raise UserError(f"--scale {self.scale:g}: expected more than 0 and at most {LARGEST_SCALE}")
        for name, value in given[2:]:
            if isinstance(value, int) and value < 1:
                raise UserError(f"{name} {value}: expected at least 1 pixel")

    def of(self, size: Size) -> Size | None:
        """(width, height) of the result of an image of that size; None for the model's scale."""
        from srgan_kit.upscaling.image import fitted_size, scaled_size

        if self.box is not None:
            return fitted_size(size, self.box)
        if self.width is not None:
            return self.width, scaled_size(size, self.width / size[0])[1]
        if self.height is not None:
            return scaled_size(size, self.height / size[1])[0], self.height
        return None if self.scale is None else scaled_size(size, self.scale)

    def tag(self, scale: float) -> str:
        """What names of results say of it: x4, 1920x1080, 3840w or 2160h; `scale` is that of the model."""
        if self.box is not None:
            return f"{self.box[0]}x{self.box[1]}"
        if self.width is not None:
            return f"{self.width}w"
        return f"x{scale:g}" if self.height is None else f"{self.height}h"


def parse_box(fit: str | None) -> Size | None:
    """WxH as numbers.

    Raises:
        UserError: it is none.
    """
    if fit is None:
        return None
    width, _, height = fit.lower().partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise UserError(f"--fit {fit}: expected WxH, such as 1920x1080")
    if int(width) < 1 or int(height) < 1:
        raise UserError(f"--fit {fit}: expected a box of at least 1x1 pixel")
    return int(width), int(height)
