"""What a trial of the study knows about itself beyond Optuna's own state.

Kept in two user attributes of the Optuna trial: ``run_id``, the trial's MLflow run, and ``record``,
how it ended. Both are written before the trial is told, so that the study alone can show a sweep,
and MLflow can be reconciled from it. A trial's first record says that it was interrupted: that is
what is true if its coordinator never writes another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import ExperimentConfig
from finesweep.sweeps.result import TrialSummary
from finesweep.sweeps.space import Value, complete

RUN_ID = "run_id"
RECORD = "record"
RETRY_OF = "retry_of"

Ending = Literal["complete", "pruned", "failed", "diverged", "interrupted", "timeout"]

# These endings say nothing about the trial's hyperparameters: such a trial does not count towards
# the total, and is run again when the sweep goes on.
TO_BE_RETRIED: frozenset[Ending] = frozenset({"interrupted", "timeout"})

# What Optuna puts an enqueued trial's values under.
_FIXED_PARAMS = "fixed_params"

# What a finished trial is taken for without a record, and which records its state allows.
_ENDINGS: dict[TrialState, tuple[Ending, frozenset[Ending]]] = {
    TrialState.COMPLETE: ("complete", frozenset({"complete"})),
    TrialState.PRUNED: ("pruned", frozenset({"pruned"})),
    TrialState.FAIL: ("interrupted", frozenset({"failed", "diverged", "interrupted", "timeout"})),
}

DEAD = "interrupted: the process that ran the sweep ended without a word"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """How a trial ended, why, after how long, and with which metrics."""

    ending: Ending
    reason: str | None = None
    seconds: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def write_start(trial: optuna.Trial, *, run_id: str) -> None:
    """Note a running trial's MLflow run."""
    trial.set_user_attr(RECORD, asdict(TrialRecord(ending="interrupted", reason=DEAD)))
    trial.set_user_attr(RUN_ID, run_id)


def write_record(trial: optuna.Trial, record: TrialRecord) -> None:
    """Note how a running trial is about to end."""
    trial.set_user_attr(RECORD, asdict(record))


def record_of(trial: FrozenTrial) -> TrialRecord:
    """How a finished trial ended.

    Optuna's state is what counts. The record differs from it when the coordinator died between
    writing the two and the trial was reaped: then it was interrupted.
    """
    default, allowed = _ENDINGS[trial.state]
    noted = trial.user_attrs.get(RECORD)
    record = TrialRecord(**noted) if noted else TrialRecord(ending=default)
    if record.ending in allowed:
        return record
    return TrialRecord(ending=default, reason=DEAD, seconds=record.seconds)


def is_to_be_retried(trial: FrozenTrial) -> bool:
    """Whether the trial ended through no fault of its own, and is to be run again."""
    return trial.state.is_finished() and record_of(trial).ending in TO_BE_RETRIED


def is_retry(trial: FrozenTrial) -> bool:
    """Whether the trial repeats one that was interrupted."""
    return RETRY_OF in trial.user_attrs


def counts(trial: FrozenTrial) -> bool:
    """Whether the trial counts towards the sweep's total."""
    return trial.state.is_finished() and not is_to_be_retried(trial)


def enqueued_values(trial: FrozenTrial) -> dict[str, Value]:
    """The values a trial was enqueued with; none for one that the sampler proposed."""
    return dict(trial.system_attrs.get(_FIXED_PARAMS, {}))


def summarise(trial: FrozenTrial, *, experiment: ExperimentConfig) -> TrialSummary:
    """A trial that has begun, as it is shown to people."""
    running = not trial.state.is_finished()
    record = TrialRecord(ending="interrupted") if running else record_of(trial)
    values = {**enqueued_values(trial), **trial.params}
    return TrialSummary(
        number=trial.number,
        state="running" if running else record.ending,
        hyperparameters=complete(values, experiment=experiment),
        metrics=record.metrics,
        seconds=record.seconds,
        reason=record.reason,
        run_id=trial.user_attrs.get(RUN_ID),
    )


def summarise_all(
    trials: Iterable[FrozenTrial], *, experiment: ExperimentConfig
) -> tuple[TrialSummary, ...]:
    """Every trial that has begun; the values of a waiting one are not all known yet."""
    begun = (trial for trial in trials if trial.state != TrialState.WAITING)
    return tuple(summarise(trial, experiment=experiment) for trial in begun)
