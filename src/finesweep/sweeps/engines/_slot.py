"""A place for one worker at a time: it outlives its workers, and starts the next one."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from finesweep.config.quantities import size_in_words
from finesweep.sweeps.engines._base import (
    Asked,
    Died,
    Event,
    Noted,
    Reply,
    Task,
    Ticked,
    WorkerReady,
    WorkerStatus,
)
from finesweep.sweeps.engines._causes import death_cause, describe_exit
from finesweep.sweeps.engines._oom import OomKills
from finesweep.sweeps.engines._process import WorkerProcess
from finesweep.sweeps.worker import Loaded, Opening

# How long an idle worker may take to end by itself, and one whose pipe broke to be gone.
GRACE_SECONDS = 1.0
# The pause after a worker that died while it loaded doubles with each, up to this.
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the workers of one slot share, one after another.

    ``memory_limit`` is in bytes of resident set.
    """

    number: int
    opening: Opening
    log: Path
    gpu: str | None
    environment: dict[str, str]
    memory_limit: int


class Slot:
    """Holds a worker, or none for now, and the task that it runs, or will run when it starts."""

    def __init__(self, place: Place, *, oom_kills: OomKills) -> None:
        self.place = place
        self.worker: WorkerProcess | None = None
        self.task: Task | None = None
        self._oom_kills = oom_kills
        self._oom_kills_before = 0
        self._replaces: str | None = None
        self._deaths_while_loading = 0
        self._not_before = 0.0

    @property
    def loading(self) -> bool:
        """Whether a worker was started and has not said yet that it is ready."""
        return self.worker is not None and not self.worker.loaded

    @property
    def may_start(self) -> bool:
        """Whether a worker is missing, and the pause after the last one is over."""
        return self.worker is None and time.monotonic() >= self._not_before

    @property
    def status(self) -> WorkerStatus | None:
        """The worker as it is now, if it is alive."""
        worker = self.worker
        if worker is None or not worker.alive:
            return None
        return WorkerStatus(
            slot=self.place.number,
            pid=worker.pid,
            cores=self.place.opening.cores,
            gpu=self.place.gpu,
            started=worker.started,
            trial=None if self.task is None else self.task.trial,
        )

    def start(self) -> None:
        """Start a worker, with the task if there is one already."""
        place = self.place
        self._oom_kills_before = self._oom_kills.count()
        self.worker = WorkerProcess(place.opening, log=place.log, environment=place.environment)
        if self.task is not None:
            self.worker.send(self.task)

    def assign(self, task: Task) -> None:
        """Give a free slot its task; without a worker it is kept for the next one."""
        self.task = task
        if self.worker is not None:
            self._oom_kills_before = self._oom_kills.count()
            self.worker.send(task)

    def answer(self, reply: Reply) -> None:
        """Pass the coordinator's answer on; a dead worker does not miss it."""
        if self.worker is not None:
            self.worker.send(reply)

    def hear(self) -> Event | None:
        """What the worker has to say, or its death; None if that is nobody's business."""
        assert self.worker is not None, "only a worker is heard"
        message = self.worker.receive()
        if message is None:
            return self.bury_dead()
        if isinstance(message, Loaded):
            return self._on_loaded(self.worker, broken=message.broken)
        if not isinstance(message, Ticked | Asked | Noted):
            self.task = None
            self._replace_if_above_limit(self.worker)
        return message

    def bury_dead(self) -> Died | None:
        """Take leave of a worker that died; ``Died`` if it had a task."""
        assert self.worker is not None, "only a worker dies"
        worker, task = self.worker, self.task
        exit_code = self._end(grace=GRACE_SECONDS)
        was_oom_kill = exit_code == -signal.SIGKILL and self._oom_kills.explain(
            since=self._oom_kills_before
        )
        how = describe_exit(exit_code) + (" for want of memory" if was_oom_kill else "")
        self._replaces = f"it ended ({how})"
        if not worker.loaded:
            self._pause(worker)
        self.task = None
        if task is None:
            return None
        return Died(
            trial=task.trial,
            exit_code=exit_code,
            cause=death_cause(exit_code, was_oom_kill=was_oom_kill),
            detail=f"its worker process ended ({how}); the last lines of {worker.log}:\n"
            f"{worker.last_words()}",
        )

    def cancel(self) -> None:
        """Drop the task, and with it the worker that runs it."""
        if self.worker is not None:
            self.worker.kill()
            self._end(grace=GRACE_SECONDS)
            self._replaces = "its trial was cancelled"
        self.task = None

    def hang_up(self) -> None:
        """Let an idle worker end by itself; one that is busy or loads would not notice: kill it."""
        if self.worker is not None:
            self.worker.hang_up()
            if self.task is not None or not self.worker.loaded:
                self.worker.kill()

    def clear(self, *, grace: float) -> None:
        """Drop the task, and wait until the worker, which was hung up on, is gone."""
        if self.worker is not None:
            self._end(grace=grace)
        self.task = None

    def _on_loaded(self, worker: WorkerProcess, *, broken: bool) -> WorkerReady | None:
        worker.loaded = True
        replaces, self._replaces = self._replaces, None
        self._deaths_while_loading = 0
        if broken:
            return None
        return WorkerReady(slot=self.place.number, pid=worker.pid, replaces=replaces)

    def _replace_if_above_limit(self, worker: WorkerProcess) -> None:
        size, limit = worker.resident_bytes, self.place.memory_limit
        if size > limit:
            self._replaces = (
                f"its memory, {size_in_words(size)}, was above the limit of {size_in_words(limit)}"
            )
            self._end(grace=GRACE_SECONDS)

    def _pause(self, worker: WorkerProcess) -> None:
        pause = min(2.0**self._deaths_while_loading, LONGEST_PAUSE_SECONDS)
        self._deaths_while_loading += 1
        self._not_before = time.monotonic() + pause
        self._replaces = f"{self._replaces} while it loaded"
        worker.note(f"process {worker.pid}: {self._replaces}; the next starts in {pause:g} s")

    def _end(self, *, grace: float) -> int:
        """Make sure that the process is gone and free its place; the exit code."""
        assert self.worker is not None, "only a worker ends"
        self.worker.hang_up()
        exit_code = self.worker.end(grace=grace)
        self.worker = None
        return exit_code
