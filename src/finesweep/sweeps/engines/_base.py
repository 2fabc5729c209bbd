"""The contract of an engine: who runs what the coordinator hands out.

The coordinator alone owns the study. It submits a task, waits for events, and answers every
``Ticked`` with ``answer``; the worker stands still until the answer is there, so a pruned trial
ends at the very tick that pruned it. An engine never looks inside a task and never decides how a
trial ends: it reports what the worker said, or that the worker died.

There are two kinds of task. An ``Assignment`` fine-tunes; an ``Evaluation`` measures a checkpoint
that a trial left behind. Both are known by their trial's number, and a trial has at most one task
at a time.

Guarantees every engine gives, and the contract tests check:

* each submitted task ends in exactly one of ``Finished``, ``Evaluated``, ``Failed`` or ``Died``,
  unless it is cancelled;
* ``start`` and ``submit`` never block on a worker; ``submit`` may be called while ``idle_slots`` is
  above zero, and a worker that died is replaced by the next ``submit``;
* after ``close`` no process of the engine is left, whatever the state it was in;
* when the coordinator's process dies, its workers end by themselves;
* events of one trial arrive in the order in which they happened.

An engine is used from one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Answer, EvaluationSplit, FineTuned, Tick


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One trial, as the worker sees it. ``output`` is where a finished checkpoint is written."""

    trial: int
    hyperparameters: Hyperparameters
    output: Path


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Measure the checkpoint of a finished trial on a split of the sweep's data."""

    trial: int
    checkpoint: Path
    max_length: int
    split: EvaluationSplit


Task = Assignment | Evaluation


@dataclass(frozen=True, kw_only=True)
class Ticked:
    """The worker reached a tick and waits for an answer."""

    trial: int
    tick: Tick


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
    """The task raised. ``kind`` is the exception's class name; ``diverged`` a loss not finite."""

    trial: int
    kind: str
    reason: str
    traceback: str
    diverged: bool


@dataclass(frozen=True, kw_only=True)
class Died:
    """The worker process ended in the middle of the task.

    ``exit_code`` is negative for a signal; ``detail`` tells what is known: the signal's name, the
    worker's log and the last lines in it.
    """

    trial: int
    exit_code: int | None
    detail: str


Event = Ticked | Finished | Evaluated | Failed | Died


class Engine(Protocol):
    """Runs tasks somewhere and reports what became of them."""

    @property
    def idle_slots(self) -> int:
        """How many further tasks can be submitted now."""

    def start(self) -> None:
        """Begin to load the workers, so that it overlaps with what the coordinator does next."""

    def submit(self, task: Task) -> None:
        """Start one task on a free worker."""

    def wait(self, timeout: float | None = None) -> list[Event]:
        """The events since the last call; blocks up to ``timeout`` seconds for the first one."""

    def answer(self, trial: int, answer: Answer) -> None:
        """Let a trial that ticked go on, or end it there."""

    def cancel(self, trial: int) -> None:
        """End a task now, without waiting for its next tick; no event of it follows."""

    def close(self) -> None:
        """End every worker and wait until its process is gone. May be called again."""
