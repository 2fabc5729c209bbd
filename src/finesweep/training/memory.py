"""How much memory this process has used."""

from __future__ import annotations

import sys


def peak_memory_mb() -> float:
    """The process's largest resident set so far, in MiB; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
