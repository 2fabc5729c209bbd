"""The local engine: worker processes on this machine, kept alive from trial to trial."""

from __future__ import annotations

import tempfile
import time
from multiprocessing import connection
from pathlib import Path

from finesweep.sweeps.engines._base import Event, Reply, Task, WorkerStatus
from finesweep.sweeps.engines._environment import worker_environment
from finesweep.sweeps.engines._oom import OomKills
from finesweep.sweeps.engines._slot import GRACE_SECONDS, Place, Slot
from finesweep.sweeps.gpus import usable_gpus
from finesweep.sweeps.machine import core_shares, fair_memory_share, thread_count, usable_cores
from finesweep.sweeps.worker import Opening
from finesweep.training.progress import TrainingSetup

DEFAULT_TRAINER = "finesweep.training.fine_tuner:FineTuner"
HYPERMODEL_TRAINER = "finesweep.keras_tuner.trainer:HyperModelTrainer"

# A dead process closes its pipe, so that `wait` wakes at once; only one whose own children hold the
# pipe open is found by looking. A pause before a start may last so much longer.
LOOK_SECONDS = 1.0


class LocalEngine:
    """Runs up to ``workers`` tasks at a time, each in a process of its own (POSIX only).

    ``trainer`` names the class a worker builds from ``setup``, as ``package.module:Class``; left
    out, it is the one for DistilBERT, or for the hypermodel that the setup names. What a worker
    prints goes to ``worker-<n>.log`` in ``logs`` (a temporary directory if not given). Several
    workers share the usable cores, each pinned to its own, which is worth more than letting the
    system move them. Each computes with ``threads`` threads, by default one a core it has; the
    variables OMP_NUM_THREADS, TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS win where set.
    Where there are GPUs, each worker sees one of them.

    A worker that holds more than ``memory_limit`` bytes after a task is replaced; by default that
    is a fair share of nine tenths of the memory there is.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        *,
        trainer: str | None = None,
        workers: int = 1,
        logs: Path | None = None,
        threads: int | None = None,
        memory_limit: int | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError(f"an engine needs one worker or more, received {workers}")
        logs = logs or Path(tempfile.mkdtemp(prefix="finesweep-workers-"))
        trainer = trainer or (HYPERMODEL_TRAINER if setup.hypermodel else DEFAULT_TRAINER)
        memory_limit = memory_limit or fair_memory_share(workers)
        shares = core_shares(usable_cores(), workers)
        gpus = usable_gpus()
        oom_kills = OomKills()
        self._slots: list[Slot] = []
        for number, cores in enumerate(shares):
            gpu = gpus[number % len(gpus)] if gpus else None
            place = Place(
                number=number,
                opening=Opening(trainer=trainer, setup=setup, cores=cores),
                log=logs / f"worker-{number}.log",
                gpu=gpu,
                environment=worker_environment(
                    threads=threads or thread_count(cores, workers=workers), gpu=gpu
                ),
                memory_limit=memory_limit,
            )
            self._slots.append(Slot(place, oom_kills=oom_kills))
        self._keep_all_running = False

    @property
    def size(self) -> int:
        """How many workers there are when all have loaded."""
        return len(self._slots)

    @property
    def idle_slots(self) -> int:
        """How many further tasks can be submitted now; one at least while no task is out."""
        free = self._free_slots()
        if with_worker := sum(slot.worker is not None for slot in free):
            return with_worker
        can_start = not self._is_loading and any(slot.may_start for slot in free)
        return 1 if can_start or len(free) == len(self._slots) else 0

    @property
    def workers(self) -> list[WorkerStatus]:
        """The workers that are alive, in the order of their slots."""
        return [status for slot in self._slots if (status := slot.status) is not None]

    def start(self) -> None:
        """Begin to load the first worker; the others follow one by one while ``wait`` is called."""
        self._keep_all_running = True
        self._start_next()

    def submit(self, task: Task) -> None:
        """Send the task to a free worker, which is started or replaced if need be."""
        if not self.idle_slots:
            raise RuntimeError("submit was called while every worker is busy")
        for slot in self._free_slots():
            if slot.worker is not None and not slot.worker.alive:
                slot.bury_dead()
        min(self._free_slots(), key=_remoteness).assign(task)
        self._start_next()

    def wait(self, timeout: float | None = None) -> list[Event]:
        """One event of every worker that has something to say, the dead included."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._start_next()
            if deadline is None and not self._expects_something:
                return []
            left = LOOK_SECONDS if deadline is None else deadline - time.monotonic()
            events = self._hear(max(0.0, min(left, LOOK_SECONDS)))
            if events or left <= 0:
                return events

    def answer(self, trial: int, reply: Reply) -> None:
        """Pass the coordinator's answer on to the worker that waits for it."""
        self._slot_of(trial).answer(reply)

    def cancel(self, trial: int) -> None:
        """Kill the worker that runs the task; another is started when it is its turn."""
        for slot in self._slots:
            if slot.task is not None and slot.task.trial == trial:
                slot.cancel()

    def close(self) -> None:
        """Let idle workers end by themselves, kill the others, and wait until all are gone."""
        self._keep_all_running = False
        for slot in self._slots:
            slot.hang_up()
        deadline = time.monotonic() + GRACE_SECONDS
        for slot in self._slots:
            slot.clear(grace=max(0.0, deadline - time.monotonic()))

    @property
    def _is_loading(self) -> bool:
        return any(slot.loading for slot in self._slots)

    @property
    def _expects_something(self) -> bool:
        """Whether a task is out, a worker loads, or one has yet to be started."""
        return any(
            slot.task is not None
            or slot.loading
            or (self._keep_all_running and slot.worker is None)
            for slot in self._slots
        )

    def _free_slots(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.task is None]

    def _slot_of(self, trial: int) -> Slot:
        for slot in self._slots:
            if slot.task is not None and slot.task.trial == trial:
                return slot
        raise RuntimeError(f"no worker runs trial {trial}")

    def _start_next(self) -> None:
        """Start a missing worker unless one is loading; where a task waits for it, first."""
        if self._is_loading:
            return
        missing = [
            slot
            for slot in self._slots
            if slot.may_start and (self._keep_all_running or slot.task is not None)
        ]
        if missing:
            min(missing, key=lambda slot: slot.task is None).start()

    def _hear(self, pause: float) -> list[Event]:
        """What there is to hear within ``pause`` seconds; the dead are looked for in silence."""
        slots = {slot.worker: slot for slot in self._slots if slot.worker is not None}
        ready = connection.wait([worker.pipe for worker in slots], pause)
        speaking = [slot for worker, slot in slots.items() if worker.pipe in ready]
        speaking = speaking or [slot for worker, slot in slots.items() if not worker.alive]
        return [event for slot in speaking if (event := slot.hear()) is not None]


def _remoteness(slot: Slot) -> int:
    """How far a slot is from running a task: its worker is there, loads, or must be started."""
    if slot.worker is not None:
        return 1 if slot.loading else 0
    return 2 if slot.may_start else 3
