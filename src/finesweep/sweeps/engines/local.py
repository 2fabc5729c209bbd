"""The local engine: worker processes on this machine, kept alive from trial to trial."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import connection
from pathlib import Path

from finesweep.sweeps.engines._base import (
    Died,
    Event,
    Task,
    Ticked,
)
from finesweep.sweeps.engines._process import WorkerProcess, describe_exit
from finesweep.sweeps.worker import Opening
from finesweep.training.progress import Answer, TrainingSetup

DEFAULT_TRAINER = "finesweep.training.fine_tuner:FineTuner"

# How long an idle worker may take to end by itself, and one whose pipe broke to be gone.
GRACE_SECONDS = 1.0
# A dead process closes its pipe, so that `wait` wakes at once; only one whose own children hold the
# pipe open is found by looking.
LOOK_SECONDS = 1.0


class LocalEngine:
    """Runs up to ``workers`` tasks at a time, each in a process of its own (POSIX only).

    ``trainer`` names the class a worker builds from ``setup``, as ``package.module:Class``. What
    a worker prints goes to ``worker-<n>.log`` in ``logs`` (a temporary directory if not given).
    Several workers share the usable cores, each pinned to its own, which is worth more than letting
    the system move them. Each computes with ``threads`` threads, by default one a core it has; the
    variables OMP_NUM_THREADS, TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS win where set.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        *,
        trainer: str = DEFAULT_TRAINER,
        workers: int = 1,
        logs: Path | None = None,
        threads: int | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError(f"an engine needs one worker or more, received {workers}")
        self._openings = [
            Opening(trainer=trainer, setup=setup, cores=cores)
            for cores in core_shares(usable_cores(), workers)
        ]
        self._logs = logs or Path(tempfile.mkdtemp(prefix="finesweep-workers-"))
        self._threads = threads or max(1, len(usable_cores()) // workers)
        self._workers: list[WorkerProcess | None] = [None] * workers

    @property
    def idle_slots(self) -> int:
        """How many further tasks can be submitted now; a dead worker's place counts as free."""
        return sum(worker is None or worker.trial is None for worker in self._workers)

    def start(self) -> None:
        """Begin to load every worker that is not running."""
        for slot in range(len(self._workers)):
            self._ready_worker(slot)

    def submit(self, task: Task) -> None:
        """Send the task to a free worker, which is started or replaced if need be."""
        slot = self._idle_slot()
        if slot is None:
            raise RuntimeError("submit was called while every worker is busy")
        worker = self._ready_worker(slot)
        worker.trial = task.trial
        worker.send(task)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """One event of every worker that has something to say, the dead included."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while busy := self._busy_workers():
            pause = LOOK_SECONDS
            if deadline is not None:
                pause = max(0.0, min(pause, deadline - time.monotonic()))
            ready = connection.wait([worker.pipe for worker in busy], pause)
            speaking = [worker for worker in busy if worker.pipe in ready]
            speaking = speaking or [worker for worker in busy if not worker.alive]
            if speaking:
                return [self._hear(worker) for worker in speaking]
            if deadline is not None and time.monotonic() >= deadline:
                break
        return []

    def answer(self, trial: int, answer: Answer) -> None:
        """Pass the coordinator's answer on to the worker that waits for it."""
        self._worker_of(trial).send(answer)

    def cancel(self, trial: int) -> None:
        """Kill the worker that runs the task; the next ``submit`` starts another."""
        worker = self._worker_of(trial)
        worker.kill()
        self._bury(worker)

    def close(self) -> None:
        """Let idle workers end by themselves, kill busy ones, and wait for both."""
        workers = [worker for worker in self._workers if worker is not None]
        for worker in workers:
            worker.hang_up()
            if worker.trial is not None:
                worker.kill()
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in workers:
            worker.end(grace=max(0.0, deadline - time.monotonic()))
        self._workers = [None] * len(self._workers)

    def _busy_workers(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers if worker and worker.trial is not None]

    def _worker_of(self, trial: int) -> WorkerProcess:
        for worker in self._busy_workers():
            if worker.trial == trial:
                return worker
        raise RuntimeError(f"no worker runs trial {trial}")

    def _idle_slot(self) -> int | None:
        idle = [
            slot
            for slot, worker in enumerate(self._workers)
            if worker is None or worker.trial is None
        ]
        return min(idle, key=lambda slot: self._workers[slot] is None, default=None)

    def _ready_worker(self, slot: int) -> WorkerProcess:
        """The worker of a slot, started if there is none and replaced if it died while idle."""
        worker = self._workers[slot]
        if worker is not None and not worker.alive:
            self._bury(worker)
            worker = None
        if worker is None:
            worker = WorkerProcess(
                self._openings[slot],
                log=self._logs / f"worker-{slot}.log",
                environment=thread_environment(self._threads),
            )
            self._workers[slot] = worker
        return worker

    def _hear(self, worker: WorkerProcess) -> Event:
        """The worker's next event; ``Died`` if it is gone."""
        trial = worker.trial
        assert trial is not None, "only a busy worker is heard"
        event = worker.receive()
        if event is None:
            exit_code = self._bury(worker)
            detail = (
                f"its worker process ended ({describe_exit(exit_code)}); "
                f"the last lines of {worker.log}:\n{worker.last_words()}"
            )
            return Died(trial=trial, exit_code=exit_code, detail=detail)
        if not isinstance(event, Ticked):
            worker.trial = None
        return event

    def _bury(self, worker: WorkerProcess) -> int:
        """Make sure that the process is gone and its slot free; its exit code."""
        worker.hang_up()
        exit_code = worker.end(grace=GRACE_SECONDS)
        self._workers[self._workers.index(worker)] = None
        return exit_code


def usable_cores() -> tuple[int, ...]:
    """The cores this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def core_shares(cores: Sequence[int], workers: int) -> list[tuple[int, ...]]:
    """The cores each of ``workers`` is pinned to: equal shares, none in two of them.

    Shares are empty, which pins nothing, for a single worker, where there are more workers than
    cores, and where the system knows no pinning.
    """
    each = len(cores) // workers
    if workers == 1 or each == 0 or not hasattr(os, "sched_setaffinity"):
        return [()] * workers
    return [tuple(cores[slot * each : (slot + 1) * each]) for slot in range(workers)]


def thread_environment(threads: int) -> dict[str, str]:
    """The variables that libraries read once, when they load; those already set are left alone."""
    wanted = {
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
    }
    return {name: value for name, value in wanted.items() if name not in os.environ}
