"""The contract of an engine: who runs what the coordinator hands out.

The coordinator alone owns the study. It submits a task, waits for events, and answers every
``Ticked`` and every ``Asked`` with ``answer``; the worker stands still until the answer is there,
so a pruned trial ends at the very tick that pruned it. An engine never looks inside a task and
never decides how a trial ends: it reports what the worker said, or that the worker died.

There are two kinds of task. An ``Assignment`` fine-tunes; an ``Evaluation`` measures a checkpoint
that a trial left behind. Both are known by their trial's number, and a trial has at most one task
at a time.

Workers are started one after another, since several that load TensorFlow together hinder each
other: the next is started when the one before is ready, which ``WorkerReady`` tells. A worker above
its memory limit is replaced between two tasks.

Guarantees every engine gives, and the contract tests check:

* each submitted task, and no other, ends in exactly one of ``Finished``, ``Evaluated``, ``Failed``
  or ``Died``, unless it is cancelled;
* ``start`` and ``submit`` never block on a worker; ``submit`` may be called while ``idle_slots`` is
  above zero, and as long as no task is out it is;
* a worker that died is replaced, after a pause if it died while it loaded;
* after ``close`` no process of the engine is left, whatever the state it was in;
* when the coordinator's process dies, its workers end by themselves;
* events of one trial arrive in the order in which they happened.

An engine is used from one thread, which lives as long as the engine: a worker may end with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from finesweep.training.drawing import Value
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Answer, EvaluationSplit, FineTuned, Tick


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One trial, as the worker sees it.

    ``output`` is where a finished checkpoint is written, ``resume_point`` the file from which an
    interrupted trial goes on; batches are computed in ``accumulation`` parts.
    """

    trial: int
    hyperparameters: Hyperparameters
    output: Path
    resume_point: Path
    accumulation: int = 1


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Measure the checkpoint of a finished trial on a split of the sweep's data."""

    trial: int
    checkpoint: Path
    max_length: int
    split: EvaluationSplit


Task = Assignment | Evaluation

# failed: the user's code or data; diverged: a loss that is not finite; disk_full: no space left;
# set_up: a mistake of the user's, for which no trainer could be built that would run any trial.
FailureCause = Literal["failed", "diverged", "out_of_memory", "disk_full", "set_up"]
# preempted: killed from outside; out_of_memory: by the system, for want of memory; crashed: by
# itself, with an exit code or a signal such as SIGSEGV.
DeathCause = Literal["preempted", "out_of_memory", "crashed"]

# A method of an optuna.Trial.
Suggestion = Literal["suggest_int", "suggest_float", "suggest_categorical"]


@dataclass(frozen=True, kw_only=True)
class Ticked:
    """The worker reached a tick and waits for an answer."""

    trial: int
    tick: Tick


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The worker draws a hyperparameter and waits for it: ``Drawn``, or ``Refused``.

    ``arguments`` are those of ``method``.
    """

    trial: int
    method: Suggestion
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Noted:
    """Hyperparameters that the worker drew, or was given and uses; it does not wait.

    ``trains`` says that all have been drawn, and the training begins.
    """

    trial: int
    values: Mapping[str, Value]
    trains: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The answer to ``Asked``: the value."""

    value: Any


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The answer to ``Asked`` where the study cannot take what was asked for."""

    reason: str


Reply = Answer | Drawn | Refused


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The worker ran the trial to its end, or stopped it when it was told to."""

    trial: int
    result: FineTuned


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The worker measured the checkpoint; ``metrics`` are named after the split."""

    trial: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The task raised. ``kind`` is the exception's class name, ``cause`` what is to blame."""

    trial: int
    kind: str
    reason: str
    traceback: str
    cause: FailureCause


@dataclass(frozen=True, kw_only=True)
class Died:
    """The worker process ended in the middle of the task.

    ``exit_code`` is negative for a signal; ``detail`` tells what is known: the signal's name, the
    worker's log and the last lines in it.
    """

    trial: int
    exit_code: int | None
    cause: DeathCause
    detail: str


@dataclass(frozen=True, kw_only=True)
class WorkerReady:
    """A worker has loaded; ``replaces`` says why the one before it is gone, if there was one."""

    slot: int
    pid: int
    replaces: str | None = None


Event = Ticked | Asked | Noted | Finished | Evaluated | Failed | Died | WorkerReady


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """A worker as it is now. ``started`` is seconds since the epoch; ``trial`` what it runs."""

    slot: int
    pid: int
    cores: tuple[int, ...]
    gpu: str | None
    started: float
    trial: int | None


class Engine(Protocol):
    """Runs tasks somewhere and reports what became of them."""

    @property
    def size(self) -> int:
        """How many tasks it runs at a time once all its workers have loaded."""

    @property
    def idle_slots(self) -> int:
        """How many further tasks can be submitted now: to workers that are free and started.

        A worker that loads counts, since it takes its task as soon as it has loaded.
        """

    @property
    def workers(self) -> list[WorkerStatus]:
        """The workers that are alive."""

    def start(self) -> None:
        """Begin to load the workers, so that it overlaps with what the coordinator does next."""

    def submit(self, task: Task) -> None:
        """Start one task on a free worker; without ``start``, load the workers as needed."""

    def wait(self, timeout: float | None = None) -> list[Event]:
        """The events since the last call; blocks up to ``timeout`` seconds for the first one.

        Without a timeout it returns at once when nothing can come: no task is out, and no worker
        is being started.
        """

    def answer(self, trial: int, reply: Reply) -> None:
        """Let a trial that ticked go on, or end it there; or give one that asked its value."""

    def cancel(self, trial: int) -> None:
        """End a task now, without waiting for its next tick; no event of it follows.

        One that has ended already is passed over.
        """

    def close(self) -> None:
        """End every worker and wait until its process is gone. May be called again."""
