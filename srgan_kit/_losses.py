"""The one place that finds the loss library, whatever else is called `losses` on the user's path.

A script beside a `losses.py` of its own would import that file instead of the library. So: if `import losses` gives
the library that was installed with this package, that module object is used; otherwise the library is loaded from
its location under the name `srgan_kit.losses`. `srgan_kit/losses.py` puts the answer where imports look for it.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

LOCATION = Path(__file__).resolve().parent.parent / "losses" / "__init__.py"


def find_losses() -> ModuleType:
    """The loss library as a module: `losses` where that name is ours, else loaded as `srgan_kit.losses`."""
    return _the_installed_one() or _load_by_location()


def _the_installed_one() -> ModuleType | None:
    """`import losses`, if that is the library: decided from its file before any of its code runs."""
    try:
        spec = importlib.util.find_spec("losses")
    except ValueError:  # a module without a spec, such as a script's own
        return None
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != LOCATION:
        return None
    module = importlib.import_module("losses")
    for name in [name for name in sys.modules if name.startswith("losses.")]:
        # Else `srgan_kit.losses.pixel` would be loaded a second time, with classes of its own.
        sys.modules[f"srgan_kit.{name}"] = sys.modules[name]
    return module


def _load_by_location() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "srgan_kit.losses", LOCATION, submodule_search_locations=[str(LOCATION.parent)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["srgan_kit.losses"] = module
    spec.loader.exec_module(module)
    return module
