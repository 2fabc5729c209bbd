"""How a trial ends, in all three places at once: its MLflow run, its record, and the study.

In this order: a coordinator that dies half-way leaves the trial RUNNING in the study, and the next
one reaps it. Told first, a trial could be complete without its model.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import optuna
from optuna.trial import TrialState

from finesweep.errors import TrackingError
from finesweep.sweeps.record import DEAD, RUN_ID, Ending, TrialRecord, write_record
from finesweep.sweeps.result import TrialSummary
from finesweep.sweeps.study import zombies
from finesweep.tracking import RunStatus, SweepRun, TrackingStore, TrialRun, end_run
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import TICKS_PER_EPOCH

RUN_STATUS: dict[Ending, RunStatus] = {
    "complete": "FINISHED",
    "pruned": "KILLED",
    "timeout": "KILLED",
    "interrupted": "KILLED",
    "failed": "FAILED",
    "diverged": "FAILED",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Why a trial ends before its time, or without a result."""

    ending: Ending
    reason: str


@dataclass(kw_only=True)
class RunningTrial:
    """A trial in the hands of a worker; ``folder`` is its own, and goes when it ends."""

    trial: optuna.Trial
    run: TrialRun
    hyperparameters: Hyperparameters
    folder: Path
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


def end_complete(study: optuna.Study, running: RunningTrial, *, value: float) -> TrialSummary:
    """End a trial that ran to its end; its model is in its run by now."""
    record = TrialRecord(ending="complete", seconds=running.seconds, metrics=running.metrics)
    running.run.end("FINISHED")
    write_record(running.trial, record)
    study.tell(running.trial, value)
    return _put_away(running, record)


def end_early(study: optuna.Study, running: RunningTrial, verdict: Verdict) -> TrialSummary:
    """End a trial that has no result: pruned, stopped, failed or interrupted."""
    record = TrialRecord(
        ending=verdict.ending,
        reason=verdict.reason,
        seconds=running.seconds,
        metrics=running.metrics,
    )
    running.run.end(RUN_STATUS[verdict.ending], reason=verdict.reason)
    write_record(running.trial, record)
    pruned = verdict.ending == "pruned"
    study.tell(running.trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)
    return _put_away(running, record)


def _put_away(running: RunningTrial, record: TrialRecord) -> TrialSummary:
    shutil.rmtree(running.folder, ignore_errors=True)
    return TrialSummary(
        number=running.number,
        state=record.ending,
        hyperparameters=running.hyperparameters,
        metrics=record.metrics,
        seconds=record.seconds,
        reason=record.reason,
        run_id=running.run.run_id,
    )


def reap(study: optuna.Study, sweep_run: SweepRun, *, store: TrackingStore) -> list[int]:
    """Fail the trials a dead coordinator left RUNNING, and end their MLflow runs; their numbers.

    Their first record says already that they were interrupted.
    """
    dead = zombies(study)
    if not dead:
        return []
    runs = sweep_run.trial_run_ids()
    for trial in dead:
        # The coordinator may have died before it could note the run on the trial.
        run_id = trial.user_attrs.get(RUN_ID) or runs.get(trial.number)
        if run_id is not None:
            _end_run_if_there(store, run_id)
        study.tell(trial.number, state=TrialState.FAIL)
    return [trial.number for trial in dead]


def _end_run_if_there(store: TrackingStore, run_id: str) -> None:
    # The user may have deleted the run; a store that cannot be reached has failed before this.
    with contextlib.suppress(TrackingError):
        end_run(store, run_id, "FAILED", reason=DEAD)
