"""What an oracle is to know of a study: its trials, as KerasTuner has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from keras_tuner import Oracle
from keras_tuner.engine.trial import Trial, TrialStatus
from optuna.trial import FrozenTrial, TrialState

from finesweep.sweeps.oracles.parameters import Coded, Space, to_oracle
from finesweep.sweeps.oracles.rungs import rung_of
from finesweep.sweeps.record import broke_off, enqueued_values


def tell(
    oracle: Oracle, trials: Sequence[FrozenTrial], *, space: Space, searched: AbstractSet[str]
) -> None:
    """Make the trials known: how they ended, or that they run, or wait.

    One that has not all values of what is ``searched`` yet is known by no value.
    """
    for trial in trials:
        coded = coded_values(trial, space)
        # Hyperband's must be known, also one whose hypermodel has not drawn anything yet.
        if rung_of(trial) is None and not (coded and searched <= coded.keys()):
            continue
        known = _known(oracle, trial, coded)
        oracle.trials[known.trial_id] = known
        if coded:
            oracle._tried_so_far.add(oracle._compute_values_hash(coded))
        if known.status == TrialStatus.RUNNING:
            # An asker of its own for each: KerasTuner gives one the same trial until it ends.
            oracle.ongoing_trials[known.trial_id] = known


def coded_values(trial: FrozenTrial, space: Space) -> Coded:
    """The values a trial has or is going to have, as KerasTuner has them."""
    rung = rung_of(trial)
    proposed = rung.values if rung is not None else {}
    return to_oracle({**proposed, **enqueued_values(trial), **trial.params}, space)


def drawn_values(
    trials: Sequence[FrozenTrial], *, space: Space, searched: AbstractSet[str]
) -> list[Coded]:
    """What trials have drawn, of those that have drawn all they will, as far as can be told.

    One that has nothing but what is ``searched``, and runs or failed so early, may have been about
    to draw more.
    """
    drawn = [
        (trial, to_oracle(trial.params, space))
        for trial in trials
        if trial.params.keys() - searched
        or (trial.params and trial.state.is_finished() and not broke_off(trial))
    ]
    # What the space cannot hold any more it does not propose either.
    return [coded for trial, coded in drawn if coded.keys() == trial.params.keys()]


def _known(oracle: Oracle, trial: FrozenTrial, coded: Coded) -> Any:
    hyperparameters = oracle.get_space()
    hyperparameters.values = coded
    score = _score(trial)
    if not trial.state.is_finished():
        status = TrialStatus.RUNNING
    else:
        status = TrialStatus.FAILED if score is None else TrialStatus.COMPLETED
    known = Trial(hyperparameters=hyperparameters, trial_id=str(trial.number), status=status)
    known.score = score
    return known


def _score(trial: FrozenTrial) -> float | None:
    """The value of a trial; of one that was pruned the last it reported, as Optuna's TPE has it."""
    if trial.state == TrialState.COMPLETE:
        return float(trial.value)
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        last = float(trial.intermediate_values[max(trial.intermediate_values)])
        return last if math.isfinite(last) else None
    return None
