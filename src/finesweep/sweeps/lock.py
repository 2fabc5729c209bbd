"""One coordinator at a time per study: whoever holds the lock owns the study."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from finesweep.errors import StudyError
from finesweep.sweeps.storage import database_file, parse_url


@contextmanager
def coordinator_lock(study_url: str, name: str, *, workdir: Path) -> Iterator[None]:
    """Hold the study for as long as the block runs; a killed process lets go by itself.

    The lock stands next to a SQLite file. For a database on a server it stands in ``workdir``, and
    so it keeps off coordinators of this machine only.

    Raises:
        StudyError: another process coordinates this study; the message names it.
    """
    path = lock_path(study_url, name, workdir=workdir)
    # The lock file itself is emptied by whoever tries to take it.
    holder = path.with_suffix(".holder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        with lock.acquire(timeout=0):
            holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except Timeout as exc:
        raise StudyError(
            f"the sweep '{name}' is being run by {_who(holder)}; wait until it ends, stop it, or "
            "give this sweep another name"
        ) from exc
    except PermissionError as exc:
        raise StudyError(
            f"cannot write {exc.filename or path}, the lock of the sweep '{name}'; make "
            f"{path.parent} writable or name another study database"
        ) from exc


def lock_path(study_url: str, name: str, *, workdir: Path) -> Path:
    """Where the lock of a study is kept."""
    file = database_file(parse_url(study_url))
    if file is None:
        return workdir / f"{name}.lock"
    return file.with_name(f"{file.name}.{name}.lock")


def _who(holder: Path) -> str:
    try:
        known = json.loads(holder.read_text())
        return f"process {known['pid']} on {known['host']}"
    except (OSError, ValueError, KeyError):
        # It took the lock this very moment and has not signed yet.
        return "another process"
