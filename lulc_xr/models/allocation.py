"""Memory that a network frees after each layer stays with the process, not with the kernel."""

from __future__ import annotations

import ctypes
import functools

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Activations of a batch (some MiB) are kept; blocks of a shard (tens of MiB) go back at once.
_KEPT_BYTES, _MAPPED_BYTES = 64 * 2**20, 16 * 2**20


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep up to 64 MiB that are free; once per process.

    A network allocates its activations anew in every layer and batch. Dask's nanny starts
    workers with ``MALLOC_TRIM_THRESHOLD_=65536``, so that each of them is returned to the kernel
    and faulted in again, which costs a third of the speed (``benchmarks/allocation.py``).

    Returns
    -------
    bool
        False where the C library has no such setting (macOS, musl).
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    trimmed = library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mapped = library.mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
    return bool(trimmed and mapped)
