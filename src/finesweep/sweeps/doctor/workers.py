"""Worker processes whose coordinator is gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil

from finesweep.sweeps.doctor.finding import Finding

MODULE = "finesweep.sweeps.worker"


def look() -> Iterator[Finding]:
    """One finding an orphan; one that all is well where there is none."""
    found = orphans()
    for process in found:
        yield Finding(
            kind="workers",
            level="problem",
            subject=str(process.pid),
            what=f"process {process.pid} is a worker whose sweep is gone",
            advice="--repair ends it",
            repairable=True,
        )
    if not found:
        yield Finding(
            kind="workers", level="ok", subject="workers", what="no worker is without its sweep"
        )


def repair() -> None:
    """Kill the orphans, and what they started."""
    killed = orphans()
    for process in killed:
        with suppress(psutil.Error, OSError):
            # A worker leads a group of its own, with its children.
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    psutil.wait_procs(killed, timeout=5.0)


def orphans() -> list[psutil.Process]:
    """Workers that are not children of the coordinator they were started by."""
    return [
        process
        for process, coordinator in workers()
        if (parent := _parent(process)) is not None and parent != coordinator
    ]


def workers() -> Iterator[tuple[psutil.Process, int]]:
    """Every worker process of this user, with the id of its coordinator's process."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, ValueError, IndexError):
            if process.status() == psutil.STATUS_ZOMBIE or process.uids().real != os.getuid():
                continue
            words = process.cmdline()
            place = words.index(MODULE)
            if words[place - 1] == "-m":
                yield process, int(words[place + 2])


def _parent(process: psutil.Process) -> int | None:
    """The process id of a process's parent; None for one that is gone by now."""
    with suppress(psutil.Error):
        return process.ppid()
    return None
