"""`srgan_kit.losses` is the top-level package `losses`, found even where a user's own `losses.py` hides that name."""

import sys
from typing import TYPE_CHECKING

from srgan_kit._losses import find_losses

if TYPE_CHECKING:
    from losses import *  # noqa: F403

sys.modules[__name__] = find_losses()
