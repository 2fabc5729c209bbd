"""KerasTuner's random search and Bayesian optimisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_tuner import Oracle
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.oracles import BayesianOptimizationOracle

from finesweep.sweeps.oracles._base import Proposal
from finesweep.sweeps.oracles.parameters import Coded, Space, from_oracle

# How often known values are drawn before it is given up: KerasTuner's own number.
_COLLISIONS = 20


class RandomProposer:
    """Draws values that no trial has; gives up when it has drawn known ones too often.

    ``tried`` are the values that trials drew. In a conditional space these are not all names, and
    KerasTuner compares all of them; but whatever agrees with what a trial drew draws the same.
    """

    def __init__(self, oracle: Oracle, space: Space, *, tried: Sequence[Coded]) -> None:
        self._oracle = oracle
        self._space = space
        self._tried = tried

    def propose(self, fixed: Coded) -> Proposal | None:  # noqa: ARG002 (they stay as they are)
        """Values that are new."""
        for _ in range(_COLLISIONS):
            answer = self._oracle.populate_space("next")
            values = answer["values"] or {}
            if not any(coded.items() <= values.items() for coded in self._tried):
                return proposal(answer, self._space)
        return None

    def has_next(self) -> bool:
        """Whether new values can be found."""
        return self.propose({}) is not None


class BayesianProposer:
    """A Gaussian process on the completed trials, after random ones; running trials repel it."""

    def __init__(self, oracle: BayesianOptimizationOracle, space: Space) -> None:
        self._oracle = oracle
        self._space = space

    def propose(self, fixed: Coded) -> Proposal | None:  # noqa: ARG002 (they stay as they are)
        """Values where the process expects the best, or knows least."""
        if self._learns and self._oracle.ongoing_trials:
            self._know_completed_trials()
        return proposal(self._oracle.populate_space("next"), self._space)

    def has_next(self) -> bool:
        """Whether new values can be found; once it learns, it always proposes some."""
        return self._learns or self._oracle._random_values() is not None

    @property
    def _learns(self) -> bool:
        oracle = self._oracle
        completed = sum(trial.status == TrialStatus.COMPLETED for trial in oracle.trials.values())
        startup = oracle.num_initial_points or max(3 * len(oracle.hyperparameters.space), 3)
        return bool(completed >= startup)

    def _know_completed_trials(self) -> None:
        """Fit the process without the trials that run.

        KerasTuner asks the process of its last proposal what running trials may come to. One that
        has never been fitted knows nothing, and would say 1 of each.
        """
        oracle = self._oracle
        running, trials = oracle.ongoing_trials, oracle.trials
        oracle.ongoing_trials = {}
        oracle.trials = {name: each for name, each in trials.items() if name not in running}
        oracle.gpr.fit(*oracle._vectorize_trials())
        oracle.ongoing_trials, oracle.trials = running, trials


def proposal(answer: Mapping[str, Any], space: Space) -> Proposal | None:
    """What KerasTuner answered, as Optuna has it; None for IDLE and STOPPED."""
    if answer["status"] != TrialStatus.RUNNING:
        return None
    return Proposal(values=from_oracle(answer["values"], space))
