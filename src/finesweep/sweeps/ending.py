"""How an attempt of a trial ends: its record, its MLflow run, and the study, in this order.

The record decides. A coordinator that dies after it leaves the trial RUNNING in the study, and
``take_up`` carries out what the record says: a final one is told, any other parks the trial. Told
first, a trial could be complete without its model. What goes to MLflow goes through the outbox,
which has it on disk before the study is told.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from finesweep.sweeps import study as studies
from finesweep.sweeps.attempts import ALWAYS_AGAIN, is_tried_again
from finesweep.sweeps.record import (
    TrialRecord,
    count_failure,
    failures_of,
    last_record,
    write_record,
)
from finesweep.sweeps.result import Ending
from finesweep.tracking import RunStatus, TrialRun
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import TICKS_PER_EPOCH

RUN_STATUS: dict[Ending, RunStatus] = {
    "completed": "FINISHED",
    "pruned": "KILLED",
    "preempted": "KILLED",
    "interrupted": "KILLED",
    "failed": "FAILED",
    "diverged": "FAILED",
    "out_of_memory": "FAILED",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Why an attempt ends before its time, or without a result."""

    ending: Ending
    reason: str


@dataclass(kw_only=True)
class RunningTrial:
    """A trial in the hands of a worker; ``folder`` is its own, and goes when it ends for good.

    ``sampler`` proposes what its model asks for. ``reported`` are the ticks that are on record,
    those of earlier attempts included.
    """

    trial: optuna.Trial
    sampler: BaseSampler
    run: TrialRun
    hyperparameters: Hyperparameters
    folder: Path
    attempt: int = 1
    accumulation: int = 1
    reported: set[int] = field(default_factory=set)
    started: float = field(default_factory=monotonic)
    trained: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None

    @property
    def number(self) -> int:
        """The trial's number in the study."""
        return int(self.trial.number)

    @property
    def total_ticks(self) -> int:
        """How many ticks it has if nothing stops it."""
        return self.hyperparameters.epochs * TICKS_PER_EPOCH

    @property
    def seconds(self) -> float:
        """How long it trained, as the trainer says; until it has, how long it has been running.

        The two differ in a worker's first trial, which waits for TensorFlow to load.
        """
        return self.trained if self.trained is not None else monotonic() - self.started

    def record(self, ending: Ending, *, final: bool, reason: str | None = None) -> TrialRecord:
        """What is to be known of the attempt that ends now."""
        return TrialRecord(
            ending=ending,
            attempt=self.attempt,
            final=final,
            reason=reason,
            seconds=self.seconds,
            metrics=self.metrics,
        )


def end_complete(study: optuna.Study, running: RunningTrial, *, metric: str) -> None:
    """End a trial that ran to its end; its model is on its way to its run by now.

    What becomes of its folder depends on who may go on from there.
    """
    record = running.record("completed", final=True)
    write_record(running.trial, record)
    _end_for_good(study, running.number, record, run=running.run, metric=metric)


def end_early(
    study: optuna.Study, running: RunningTrial, verdict: Verdict, *, retries: int
) -> bool:
    """End an attempt that has no result; whether another follows."""
    again = is_tried_again(
        verdict.ending,
        failures=failures_of(running.trial),
        hyperparameters=running.hyperparameters,
        accumulation=running.accumulation,
        retries=retries,
    )
    if again and verdict.ending not in ALWAYS_AGAIN:
        # Before the record: dying in between repeats the attempt, and must not do so for ever.
        count_failure(running.trial, verdict.ending)
    record = running.record(verdict.ending, final=not again, reason=verdict.reason)
    write_record(running.trial, record)
    if again:
        _end_run(running.run, record)
        studies.park(study, running.number)
    else:
        _end_for_good(study, running.number, record, run=running.run)
        shutil.rmtree(running.folder, ignore_errors=True)
    return again


def carry_out(
    study: optuna.Study, trial: FrozenTrial, *, run: TrialRun | None, metric: str
) -> None:
    """Do what a dead coordinator could not: end the trial as its record says, or park it."""
    record = last_record(trial)
    if record is not None and record.final:
        _end_for_good(study, trial.number, record, run=run, metric=metric)
        return
    if record is not None and run is not None:
        _end_run(run, record)
    studies.park(study, trial.number)


def _end_for_good(
    study: optuna.Study,
    number: int,
    record: TrialRecord,
    *,
    run: TrialRun | None,
    metric: str | None = None,
) -> None:
    if run is not None:
        _end_run(run, record)
    if record.ending == "completed":
        assert metric is not None, "a completed trial is told by its metric"
        study.tell(number, record.metrics[metric])
    else:
        pruned = record.ending == "pruned"
        study.tell(number, state=TrialState.PRUNED if pruned else TrialState.FAIL)


def _end_run(run: TrialRun, record: TrialRecord) -> None:
    run.end(RUN_STATUS[record.ending], ending=record.ending, reason=record.reason)
