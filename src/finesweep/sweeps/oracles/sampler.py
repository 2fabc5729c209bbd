"""An oracle of KerasTuner's as a sampler of Optuna's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial
from threadpoolctl import threadpool_limits

from finesweep.config import SweepConfig
from finesweep.sweeps.oracles._base import Proposal
from finesweep.sweeps.oracles.building import build_proposer
from finesweep.sweeps.oracles.hyperband import EPOCHS
from finesweep.sweeps.oracles.parameters import holds, to_oracle
from finesweep.sweeps.oracles.rungs import Rung, rung_of, write_rung
from finesweep.sweeps.record import enqueued_values
from finesweep.sweeps.space import distributions


class OracleSampler(BaseSampler):
    """Proposes one trial; what it knows it reads from the study it is asked for.

    The oracle's space is that of the sweep, and whatever else trials of the study have drawn with
    the same distribution: so it grows with a hypermodel. A name that is new in a trial is drawn at
    random there, where KerasTuner would take its default.
    """

    def __init__(self, config: SweepConfig, *, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._random = RandomSampler(seed=seed)
        self._space: dict[str, BaseDistribution] = {}
        self._continued: Mapping[str, Any] = {}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The sweep's space, and what other trials had."""
        self._space = oracle_space(self._config, _others(study, trial))
        return {**self._space, **distributions(self._config.study_space)}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """What the oracle proposes; nothing when it has nothing, for whoever asks nevertheless."""
        rung = rung_of(trial)
        if rung is not None:
            # It was asked for before, by a process that died before it had all its values.
            self._continue(study, rung)
            return {name: value for name, value in rung.values.items() if name in search_space}
        # The matrices of a Gaussian process are small: a second thread only waits for the first, on
        # a core that a worker trains on.
        with warnings.catch_warnings(), threadpool_limits(1):
            # scikit-learn's, that a fit has not converged: the next proposal makes a new one.
            warnings.simplefilter("ignore")
            proposal = self._propose(study, trial)
        if proposal is None:
            return {EPOCHS: self._config.most_epochs} if self._config.sampler.is_hyperband else {}
        if proposal.rung is not None:
            write_rung(study, trial, proposal.rung)
            self._continue(study, proposal.rung)
        return proposal.values

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A random value, for a name that the oracle does not know.

        A promoted trial has that of the trial it goes on from, whatever the oracle knows.
        """
        before = self._continued.get(param_name)
        if param_name in self._continued and holds(param_distribution, before):
            return before
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _continue(self, study: optuna.Study, rung: Rung) -> None:
        if rung.continues is not None:
            self._continued = study.get_trials(deepcopy=False)[rung.continues].params

    def _propose(self, study: optuna.Study, trial: FrozenTrial) -> Proposal | None:
        proposer = build_proposer(
            self._config, _others(study, trial), space=self._space, seed=self._seed
        )
        return proposer.propose(to_oracle(enqueued_values(trial), self._space))


def oracle_space(config: SweepConfig, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """What the oracle proposes: the sweep's space, then other names, as long as trials agree."""
    found: dict[str, BaseDistribution | None] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            found[name] = distribution if found.get(name, distribution) == distribution else None
    searched = distributions(config.space)
    # Epochs are Hyperband's own.
    apart = searched.keys() | ({EPOCHS} if config.sampler.is_hyperband else set())
    others = {name: each for name, each in found.items() if each and name not in apart}
    return {**searched, **others}


def has_next(config: SweepConfig, trials: Sequence[FrozenTrial], *, seed: int) -> bool:
    """Whether the oracle that knows ``trials`` would propose another."""
    space = oracle_space(config, trials)
    return build_proposer(config, trials, space=space, seed=seed).has_next()


def _others(study: optuna.Study, trial: FrozenTrial) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False)
    return [other for other in trials if other.number != trial.number]
