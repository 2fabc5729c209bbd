"""One coordinator at a time per study: whoever holds the lock owns the study."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import BaseFileLock, FileLock, Timeout

from finesweep.errors import StudyError
from finesweep.sweeps.disk import full_disk_told
from finesweep.sweeps.engines._base import WorkerStatus
from finesweep.sweeps.storage import database_file, parse_url

# How soon whoever takes a lock has put his name beside it, even on a machine that is busy.
SIGNING_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who coordinates a study, and with which workers.

    ``started`` and ``seen`` are seconds since the epoch: when the process began, and when it last
    wrote this.
    """

    pid: int
    host: str
    started: float
    seen: float
    workers: tuple[WorkerStatus, ...] = ()

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs; one on another machine is taken for alive."""
        if self.host != socket.gethostname():
            return True
        try:
            process = psutil.Process(self.pid)
            # A process id is used again: it is the same process if it began at the same time. One
            # that nobody reaps, as in a container without an init process, is dead all the same.
            same = abs(process.create_time() - self.started) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Hold:
    """The lock of a study, held; tells others what this coordinator is doing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._started = psutil.Process().create_time()
        self.show(())

    def show(self, workers: Sequence[WorkerStatus]) -> None:
        """Write down who holds the study and which workers there are."""
        holder = Holder(
            pid=os.getpid(),
            host=socket.gethostname(),
            started=self._started,
            seen=time.time(),
            workers=tuple(workers),
        )
        partial = self._file.with_name(f"{self._file.name}.partial")
        # For others to read; a full disk must not end a sweep for its sake.
        with suppress(OSError):
            partial.write_text(json.dumps(asdict(holder)))
            partial.replace(self._file)


@contextmanager
def coordinator_lock(study_url: str, name: str, *, workdir: Path) -> Iterator[Hold]:
    """Hold the study for as long as the block runs; a killed process lets go by itself.

    The lock stands next to a SQLite file. For a database on a server it stands in ``workdir``, and
    so it keeps off coordinators of this machine only.

    Raises:
        StudyError: another process coordinates this study; the message names it.
        DiskFullError: there is no space for the lock.
    """
    path = lock_path(study_url, name, workdir=workdir)
    lock = _taken(path, name, who=lambda: read_holder(study_url, name, workdir=workdir))
    # The lock file itself is emptied by whoever tries to take it.
    holder = _holder_path(path)
    try:
        yield Hold(holder)
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _taken(path: Path, name: str, *, who: Callable[[], Holder | None]) -> BaseFileLock:
    """The lock, held by this process; ``who`` tells who holds it otherwise."""
    try:
        with full_disk_told():
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            lock.acquire(timeout=0)
    except Timeout as exc:
        raise StudyError(
            f"the sweep '{name}' is being run by {_in_words(who)}; wait until it ends, stop it, or "
            "start another sweep with --new NAME"
        ) from exc
    except OSError as exc:
        raise StudyError(
            f"cannot write {exc.filename or path}, the lock of the sweep '{name}' "
            f"({exc.strerror}); make {path.parent} a writable folder or name another study database"
        ) from exc
    return lock


def _in_words(who: Callable[[], Holder | None]) -> str:
    """Who holds the lock; what a dead one left is passed over, the next has yet to sign."""
    deadline = time.monotonic() + SIGNING_SECONDS
    while time.monotonic() < deadline:
        holder = who()
        if holder is not None and holder.is_alive:
            return str(holder)
        time.sleep(SIGNING_SECONDS / 40)
    return "another process"


def read_holder(study_url: str, name: str, *, workdir: Path) -> Holder | None:
    """Who coordinates the study, or did until its process was killed; None if nobody does."""
    file = _holder_path(lock_path(study_url, name, workdir=workdir))
    try:
        known = json.loads(file.read_text())
        workers = tuple(
            WorkerStatus(**{**worker, "cores": tuple(worker["cores"])})
            for worker in known["workers"]
        )
        return Holder(**{**known, "workers": workers})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def lock_path(study_url: str, name: str, *, workdir: Path) -> Path:
    """Where the lock of a study is kept."""
    file = database_file(parse_url(study_url))
    if file is None:
        return workdir / f"{name}.lock"
    return file.with_name(f"{file.name}.{name}.lock")


def _holder_path(lock: Path) -> Path:
    return lock.with_suffix(".holder")
