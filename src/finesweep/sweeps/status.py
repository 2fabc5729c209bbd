"""Which sweeps run now, with which workers, and how long they have been at it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from finesweep.sweeps.engines._base import WorkerStatus
from finesweep.sweeps.lock import Holder, read_holder
from finesweep.sweeps.progress import trials_done
from finesweep.sweeps.record import RUN_ID, is_parked, values_of
from finesweep.sweeps.storage import translated
from finesweep.sweeps.study import STOPPED_BY, load_studies, stored_configuration
from finesweep.sweeps.warm_start.keeping import kept_reports
from finesweep.sweeps.warm_start.report import SourceReport
from finesweep.training.drawing import Value
from finesweep.training.progress import TICKS_PER_EPOCH

SweepState = Literal["running", "ended", "died"]


@dataclass(frozen=True, kw_only=True)
class WorkerNow:
    """A worker of a sweep that runs. ``age`` and the trial's are in seconds; ticks count from 1.

    ``values`` are the hyperparameters its trial has drawn so far.
    """

    slot: int
    pid: int
    cores: tuple[int, ...]
    gpu: str | None
    age: float
    trial: int | None
    tick: int | None
    ticks: int | None
    trial_age: float | None
    values: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SweepStatus:
    """A sweep as it stands.

    ``died``: its process ended without a word, and the same command goes on with it. ``age`` is the
    seconds since the process began, ``seen`` those since it last gave a sign. ``warm_start`` says
    what came in of earlier work when the study began.
    """

    name: str
    state: SweepState
    done: int
    total: int | None
    parked: int
    stopped_by: str | None
    process: str | None
    age: float | None
    seen: float | None
    workers: tuple[WorkerNow, ...] = ()
    warm_start: tuple[SourceReport, ...] = ()


def sweep_statuses(study_url: str, *, work: Path) -> list[SweepStatus]:
    """Every sweep of the study database; ``work`` holds the working folders, one a sweep.

    Raises:
        StudyError: the database cannot be used.
    """
    with translated(study_url):
        return [
            _status(study, holder=read_holder(study_url, name, workdir=work / name))
            for study in load_studies(study_url)
            for name in [study.study_name]
        ]


def _status(study: optuna.Study, *, holder: Holder | None) -> SweepStatus:
    config = stored_configuration(study.user_attrs)
    trials = study.get_trials(deepcopy=False)
    left_running = any(trial.state == TrialState.RUNNING for trial in trials)
    alive = holder is not None and holder.is_alive
    state: SweepState = "running" if alive else "died" if holder or left_running else "ended"
    now = time.time()
    return SweepStatus(
        name=study.study_name,
        state=state,
        done=trials_done(trials),
        total=config.trials if config else None,
        parked=sum(map(is_parked, trials)),
        stopped_by=study.user_attrs.get(STOPPED_BY) if state == "ended" else None,
        process=str(holder) if holder else None,
        age=now - holder.started if holder and alive else None,
        seen=now - holder.seen if holder else None,
        warm_start=kept_reports(study.user_attrs),
        workers=tuple(
            _worker(worker, trials, epochs=config.experiment.epochs if config else 0)
            for worker in (holder.workers if holder and alive else ())
        ),
    )


def _worker(worker: WorkerStatus, trials: list[FrozenTrial], *, epochs: int) -> WorkerNow:
    trial = trials[worker.trial] if worker.trial is not None else None
    began = trial.datetime_start if trial is not None and RUN_ID in trial.user_attrs else None
    return WorkerNow(
        slot=worker.slot,
        pid=worker.pid,
        cores=worker.cores,
        gpu=worker.gpu,
        age=time.time() - worker.started,
        trial=worker.trial,
        tick=max(trial.intermediate_values, default=0) if trial is not None else None,
        ticks=_epochs(trial, epochs) * TICKS_PER_EPOCH if trial is not None else None,
        trial_age=time.time() - began.timestamp() if began is not None else None,
        values=values_of(trial) if trial is not None else {},
    )


def _epochs(trial: FrozenTrial, epochs: int) -> int:
    drawn = values_of(trial).get("epochs")
    return drawn if isinstance(drawn, int) else epochs
