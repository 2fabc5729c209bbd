from __future__ import annotations

import errno
import signal
from itertools import pairwise

import pytest
from safetensors import SafetensorError

from finesweep.errors import DataError, DiskFullError, DivergedError, OutOfMemoryError
from finesweep.sweeps.engines._causes import death_cause, describe_exit, failure_cause


def chained(*errors: Exception) -> Exception:
    """The first error, raised from the second, and so on."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError("x"), "failed"),
        (DataError("x"), "failed"),
        (DivergedError("x"), "diverged"),
        (OutOfMemoryError("x"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (OSError(errno.ENOSPC, "x"), "disk_full"),
        (OSError(errno.EDQUOT, "x"), "disk_full"),
        (OSError(errno.EACCES, "x"), "failed"),
        (DiskFullError("x"), "disk_full"),
        (chained(RuntimeError("x"), ValueError("y"), OSError(errno.ENOSPC, "z")), "disk_full"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "disk_full"),
        (SafetensorError("I/O error: Permission denied (os error 13)"), "failed"),
    ],
)
def test_what_is_to_blame(error: Exception, cause: str) -> None:
    assert failure_cause(error) == cause


def test_an_error_that_came_up_while_a_full_disk_was_handled() -> None:
    error = KeyError("tidying up failed too")
    error.__context__ = OSError(errno.ENOSPC, "no space")
    assert failure_cause(error) == "disk_full"


def test_a_chain_that_comes_round() -> None:
    first = RuntimeError("x")
    assert failure_cause(chained(first, ValueError("y"), first)) == "failed"


@pytest.mark.parametrize(
    ("exit_code", "was_oom_kill", "cause"),
    [
        (0, False, "crashed"),
        (3, False, "crashed"),
        (-signal.SIGSEGV, False, "crashed"),
        (-signal.SIGABRT, False, "crashed"),
        (-signal.SIGKILL, False, "preempted"),
        (-signal.SIGKILL, True, "out_of_memory"),
        (-signal.SIGTERM, False, "preempted"),
        (-signal.SIGHUP, False, "preempted"),
        (-40, False, "preempted"),
    ],
)
def test_what_is_to_blame_for_a_death(exit_code: int, was_oom_kill: bool, cause: str) -> None:
    assert death_cause(exit_code, was_oom_kill=was_oom_kill) == cause


def test_exit_codes_in_words() -> None:
    assert describe_exit(-11) == "killed by SIGSEGV"
    assert describe_exit(-99) == "killed by signal 99"
    assert describe_exit(2) == "exit code 2"
