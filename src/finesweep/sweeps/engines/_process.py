"""A worker's operating-system process, as its engine sees it.

The worker is a fresh interpreter and not a child of ``multiprocessing``: a fork after TensorFlow
was used hangs, and its spawn re-imports the caller's ``__main__``, which a notebook or a script
without a guard does not survive. A fresh interpreter also takes its environment and its log file
from the very first line on, before any library can read the one or write past the other.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from finesweep.sweeps.engines._base import Event, Reply, Task
from finesweep.sweeps.worker import Loaded, Opening

LAST_LINES = 12
LAST_BYTES = 8192
LOOK_SECONDS = 0.005


class WorkerProcess:
    """One worker: the process, the pipe to it, its log, and whether it has loaded.

    ``started`` is seconds since the epoch.
    """

    def __init__(self, opening: Opening, *, log: Path, environment: Mapping[str, str]) -> None:
        self.loaded = False
        self.started = time.time()
        self.log = log
        self.pipe, theirs = multiprocessing.Pipe(duplex=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                _command(theirs.fileno()),
                env={**_child_environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                # Its own group: Ctrl-C stays with the coordinator, and a kill takes all of it.
                process_group=0,
            )
        self._status = psutil.Process(self._process.pid)
        self.send(opening)

    @property
    def pid(self) -> int:
        """The process id, which is also that of the worker's process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs.

        A dead one is left unreaped until ``end``, so that its group's id cannot be taken by
        another process before the group is killed.
        """
        if self._process.returncode is not None:
            return False
        try:
            return self._status.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def send(self, message: Opening | Task | Reply) -> None:
        """Send a message; that a dead worker does not get it shows when it is next waited for."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)

    def receive(self) -> Event | Loaded | None:
        """The next message, or None when the worker is gone.

        To be called only when there is one, or the process is dead: then a child of it may still
        hold the pipe open, and waiting for its end would never end.
        """
        try:
            message: Event | Loaded | None = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            return None
        return message

    @property
    def resident_bytes(self) -> int:
        """How much memory the process holds now; 0 if it is gone."""
        try:
            return self._status.memory_info().rss
        except psutil.NoSuchProcess:
            return 0

    def hang_up(self) -> None:
        """Close the pipe: an idle worker ends by itself."""
        self.pipe.close()

    def end(self, *, grace: float) -> int:
        """Give the process ``grace`` seconds, kill what is left of its group; the exit code."""
        deadline = time.monotonic() + grace
        while self.alive and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """Kill the process and whatever it started, at once."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """The last lines of the log, which say more than an exit code."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - LAST_BYTES))
                lines = file.read(LAST_BYTES).decode(errors="replace").splitlines()
        except OSError as exc:
            return f"(the log cannot be read: {exc})"
        return "\n".join(lines[-LAST_LINES:])

    def note(self, text: str) -> None:
        """Add a line to the log, if there is room for it."""
        with contextlib.suppress(OSError), self.log.open("a") as file:
            file.write(f"finesweep: {text}\n")


def _command(descriptor: int) -> list[str]:
    arguments = [str(descriptor), str(os.getpid())]
    # -P: a file of the user's working directory must not shadow a library.
    return [sys.executable, "-P", "-m", "finesweep.sweeps.worker", *arguments]


def _child_environment() -> dict[str, str]:
    """The environment of this process, with the module search path it has by now."""
    search_path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return {
        **os.environ,
        "PYTHONPATH": search_path,
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
    }
