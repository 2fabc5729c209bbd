"""What a trial of the study knows about itself beyond Optuna's own state.

Kept in user attributes of the Optuna trial: ``run_id``, its MLflow run; ``record``, how its last
attempt ended; ``failures``, how many attempts before it failed, by kind; ``values``, the
hyperparameters that a hypermodel drew, under the names and with the values people know;
``trained``, that an attempt got so far as to train: it had drawn all there was to draw.

A trial keeps its number and its run for life. An attempt that is to be followed by another puts the
trial back to WAITING, and the next ask takes it up again: such a trial is *parked*. The record is
written before anything else is told, so it decides: a final one is carried out by whoever finds the
trial, in this process or the next, and any other parks it. The first record of an attempt says that
it was preempted: that is what is true if its coordinator never writes another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import ExperimentConfig
from finesweep.config.space import HYPERPARAMETERS
from finesweep.sweeps.result import Ending, TrialStateName, TrialSummary
from finesweep.sweeps.space import complete
from finesweep.training.drawing import Value

RUN_ID = "run_id"
RECORD = "record"
FAILURES = "failures"
VALUES = "values"
TRAINED = "trained"

# What Optuna puts an enqueued trial's values under.
_FIXED_PARAMS = "fixed_params"

DEAD = "preempted: the process that ran the sweep ended without a word"

Failures = dict[Ending, int]
"""How many attempts of a trial failed or were out of memory, and were followed by another."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """How a trial's last attempt ended, why, after how long, and with which metrics.

    Attempts count from 1; ``final`` says that no other follows. ``seconds`` are those of training,
    in all attempts.
    """

    ending: Ending
    attempt: int = 1
    final: bool = False
    reason: str | None = None
    seconds: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def write_start(trial: optuna.Trial, *, run_id: str) -> TrialRecord:
    """Note that an attempt begins; what the attempt before had come to stays known."""
    before = last_record(trial)
    start = TrialRecord(
        ending="preempted",
        attempt=before.attempt + 1 if before else 1,
        reason=DEAD,
        seconds=before.seconds if before else None,
        metrics=before.metrics if before else {},
    )
    write_record(trial, start)
    trial.set_user_attr(RUN_ID, run_id)
    return start


def write_record(trial: optuna.Trial, record: TrialRecord) -> None:
    """Note how an attempt is about to end."""
    trial.set_user_attr(RECORD, asdict(record))


def count_failure(trial: optuna.Trial, ending: Ending) -> None:
    """Note that an attempt failed, and will be followed by another."""
    failures = failures_of(trial)
    trial.set_user_attr(FAILURES, {**failures, ending: failures.get(ending, 0) + 1})


def failures_of(trial: optuna.Trial | FrozenTrial) -> Failures:
    """How attempts failed so far."""
    return dict(trial.user_attrs.get(FAILURES, {}))


def note_values(trial: optuna.Trial, values: Mapping[str, Value]) -> None:
    """Note hyperparameters that are in effect; those noted before stay."""
    trial.set_user_attr(VALUES, {**trial.user_attrs.get(VALUES, {}), **values})


def note_training(trial: optuna.Trial) -> None:
    """Note that a hypermodel has drawn all it will, and is trained."""
    trial.set_user_attr(TRAINED, True)


def has_trained(trial: optuna.Trial | FrozenTrial) -> bool:
    """Whether a hypermodel's trial came so far; in a sweep without one nobody says so."""
    return TRAINED in trial.user_attrs


def broke_off(trial: FrozenTrial) -> bool:
    """Whether a hypermodel's trial failed before it trained: it might have drawn more."""
    return bool(trial.state == TrialState.FAIL) and not has_trained(trial)


def values_of(trial: optuna.Trial | FrozenTrial) -> dict[str, Value]:
    """The values of a trial by the names people know, as far as it has come.

    Of what a hypermodel draws Optuna's own parameters may have other names; they are left out.
    """
    searched = {name: value for name, value in trial.params.items() if name in HYPERPARAMETERS}
    return {**searched, **drawn_of(trial)}


def drawn_of(trial: optuna.Trial | FrozenTrial) -> dict[str, Value]:
    """What a hypermodel has put on record: empty without one."""
    return dict(trial.user_attrs.get(VALUES, {}))


def last_record(trial: optuna.Trial | FrozenTrial) -> TrialRecord | None:
    """The record of the trial's last attempt; None for a trial that never began."""
    noted = trial.user_attrs.get(RECORD)
    return TrialRecord(**noted) if noted else None


def record_of(trial: FrozenTrial) -> TrialRecord:
    """How a trial's last attempt ended; from Optuna's state alone where there is no record.

    One that was asked for, and has no record yet, was preempted if nobody runs it.
    """
    record = last_record(trial)
    if record is not None:
        return record
    endings: dict[TrialState, Ending] = {
        TrialState.COMPLETE: "completed",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
    }
    if trial.state in endings:
        return TrialRecord(ending=endings[trial.state], final=True)
    return TrialRecord(ending="preempted", reason=DEAD)


def is_parked(trial: FrozenTrial) -> bool:
    """Whether the trial has begun, and waits for another attempt."""
    return bool(trial.state == TrialState.WAITING) and RECORD in trial.user_attrs


def enqueued_values(trial: FrozenTrial) -> dict[str, Value]:
    """The values a trial was enqueued with; none for one that the sampler proposed."""
    return dict(trial.system_attrs.get(_FIXED_PARAMS, {}))


def summarise(
    trial: FrozenTrial, *, experiment: ExperimentConfig, coordinated: bool = True
) -> TrialSummary:
    """A trial that has begun, as it is shown to people.

    ``coordinated`` says whether somebody runs the sweep; if nobody does, a trial that the study
    takes for running is one that was preempted.
    """
    running = bool(trial.state == TrialState.RUNNING) and coordinated
    record = record_of(trial)
    state: TrialStateName = "running" if running else record.ending
    return TrialSummary(
        number=trial.number,
        state=state,
        hyperparameters=complete(
            {**enqueued_values(trial), **values_of(trial)}, experiment=experiment
        ),
        drawn=drawn_of(trial),
        metrics=record.metrics,
        seconds=record.seconds,
        reason=None if running else record.reason,
        run_id=trial.user_attrs.get(RUN_ID),
        attempts=record.attempt,
    )


def summarise_all(
    trials: Iterable[FrozenTrial], *, experiment: ExperimentConfig, coordinated: bool = True
) -> tuple[TrialSummary, ...]:
    """Every trial that has begun; the values of one that is only enqueued are not all known yet."""
    begun = (trial for trial in trials if trial.state != TrialState.WAITING or is_parked(trial))
    return tuple(
        summarise(trial, experiment=experiment, coordinated=coordinated) for trial in begun
    )
