"""How much memory this process has used, and how it gives back what it no longer does."""

from __future__ import annotations

import ctypes
import sys


def peak_memory_mb() -> float:
    """The process's largest resident set so far, in MiB; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def give_back_free_memory() -> None:
    """Return to the system what the C library holds of memory that was freed.

    It keeps freed memory for later, in pieces between what is still in use: with every new shape of
    batches there are more of them, and a worker grows from trial to trial. Takes milliseconds; does
    nothing where the C library has no such function (it is glibc's ``malloc_trim``).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
