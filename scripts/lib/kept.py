"""What was measured once, kept in a file until what was measured changes; of a name alone, until it is removed."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from srgan_kit.atomic import atomic_write

Found = TypeVar("Found")


def kept(path: Path, subject: Path | str, measure: Callable[[], Found], how: str = "") -> Found:
    """What `measure` finds, or found before of the same subject.

    Args:
        path: where it is kept, as JSON.
        subject: a file, which is another one when its bytes change, or a name.
        measure: gives what JSON can say.
        how: with which settings it is measured, where these may change.
    """
    named = subject.read_bytes() if isinstance(subject, Path) else subject.encode()
    digest = hashlib.sha256(named + how.encode()).hexdigest()
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if digest not in found:
        found = {digest: measure()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found[digest]
