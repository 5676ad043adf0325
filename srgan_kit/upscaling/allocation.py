"""Memory of freed tensors, kept for the next ones instead of being returned to the system."""

import ctypes
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers that glibc's `mallopt` gives to two of its settings."""
KEPT = 2**30
"""Bytes below which a block is taken from the heap, and up to which freed memory stays there."""
LARGEST_DYNAMIC = 2**25
"""The threshold at which glibc itself arrives once large blocks were freed: 32 MiB (its documentation of mallopt)."""

_lock = threading.Lock()
_users = 0


@contextmanager
def kept_memory() -> Generator[None]:
    """Within it, memory that tensors give back is used again at once; afterwards it goes to the system.

    A network's layers are tensors of tens of megabytes. The C library maps each of them anew, and the system fills
    every page with zeros first: up to a third of the time of upscaling on a CPU. Where the C library is not glibc,
    nothing is done.

    Kept memory has gaps between tensors of different sizes, so its peak is higher. The command line also has torch put
    large tensors on huge pages (THP_MEM_ALLOC_ENABLE), where Linux has them: a tenth of the page faults. Both are
    measured by `scripts/bench/allocation.py`.
    """
    global _users
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        _users += 1
        if _users == 1:
            library.mallopt(MMAP_THRESHOLD, KEPT)
            library.mallopt(TRIM_THRESHOLD, KEPT)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                library.mallopt(MMAP_THRESHOLD, LARGEST_DYNAMIC)
                library.mallopt(TRIM_THRESHOLD, 2 * LARGEST_DYNAMIC)
                library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return (
        library if all(hasattr(library, name) for name in ("mallopt", "malloc_trim", "gnu_get_libc_version")) else None
    )
