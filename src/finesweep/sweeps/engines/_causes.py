"""What is to blame when a task failed or a worker died."""

from __future__ import annotations

import signal

from finesweep.errors import DiskFullError, DivergedError, OutOfMemoryError, UserError
from finesweep.sweeps.engines._base import DeathCause, FailureCause
from finesweep.tracking.full_disk import is_full_disk

# Raised by what the process itself did; every other signal came from outside.
OWN_FAULT = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSYS,
        signal.SIGTRAP,
    }
)


def failure_cause(error: BaseException) -> FailureCause:
    """What is to blame for an exception of the trainer's."""
    if isinstance(error, DivergedError):
        return "diverged"
    if isinstance(error, OutOfMemoryError | MemoryError):
        return "out_of_memory"
    if isinstance(error, DiskFullError) or is_full_disk(error):
        return "disk_full"
    return "failed"


def set_up_cause(error: BaseException) -> FailureCause:
    """What is to blame for an exception of a trainer that was to be built."""
    return "set_up" if isinstance(error, UserError) else failure_cause(error)


def death_cause(exit_code: int, *, was_oom_kill: bool) -> DeathCause:
    """What is to blame for the end of a process; ``exit_code`` is negative for a signal."""
    if exit_code >= 0 or -exit_code in OWN_FAULT:
        return "crashed"
    return "out_of_memory" if was_oom_kill else "preempted"


def describe_exit(exit_code: int) -> str:
    """An exit code in words: ``exit code 3``, or ``killed by SIGSEGV``."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"
