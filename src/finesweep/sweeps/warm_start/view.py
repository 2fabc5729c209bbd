"""A sampler that sees trials of earlier work in front of the study's own."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SpaceConfig, SweepConfig
from finesweep.sweeps.space import distributions
from finesweep.sweeps.warm_start.earlier import EarlierTrial
from finesweep.sweeps.warm_start.fitting import MisfitError, fit
from finesweep.sweeps.warm_start.found import Scalar
from finesweep.training.drawing import MIRRORED

# Samplers that look at results; to the others earlier trials say nothing.
LEARNING = frozenset({"tpe", "cmaes", "keras_tuner.bayesian"})

# Of so many trials CMA-ES learns from the best tenth; of fewer it would take none.
CMAES_LEAST = 10


def warm(sampler: BaseSampler, earlier: Sequence[EarlierTrial], config: SweepConfig) -> BaseSampler:
    """``sampler`` with the earlier trials in its view, if there are any and it learns."""
    if not earlier or config.sampler.name not in LEARNING:
        return sampler
    # CMA-ES is told of its sources once, and they must have just what is drawn together.
    return WarmSampler(sampler, earlier, config.space, shares_others=config.sampler.name != "cmaes")


def cmaes_sources(earlier: Sequence[EarlierTrial], config: SweepConfig) -> list[FrozenTrial] | None:
    """The earlier trials with what CMA-ES draws together, the ranges; None if there is nothing."""
    ranges = {
        name: wanted
        for name, wanted in distributions(config.space).items()
        if not isinstance(wanted, CategoricalDistribution) and not wanted.single()
    }
    if not earlier or not ranges:
        return None
    if len(earlier) < CMAES_LEAST:
        pick = max if config.experiment.direction == "maximize" else min
        earlier = [pick(earlier, key=lambda trial: trial.value)] * CMAES_LEAST
    return _frozen(earlier, ranges)


class WarmSampler(BaseSampler):
    """Lets ``sampler`` look at the earlier trials too.

    Whatever it asks of the study, but for the trials, is the study's own. What a hypermodel asks
    for beyond the space is known when it does: a value of an earlier trial that it would not take
    is left out then. ``shares_others`` says whether such values may be drawn together with the
    space's.
    """

    def __init__(
        self,
        sampler: BaseSampler,
        earlier: Sequence[EarlierTrial],
        space: SpaceConfig,
        *,
        shares_others: bool,
    ) -> None:
        self._sampler = sampler
        self._earlier = earlier
        self._searched = distributions(space)
        self._shares_others = shares_others
        self._shown = _frozen(earlier, self._searched)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What all trials have in common, the earlier ones too."""
        if self._shares_others:
            self._shown = self._with_what_is_shared(study)
        shared: dict[str, BaseDistribution]
        shared = self._sampler.infer_relative_search_space(_view(study, self._shown), trial)
        return shared

    def _with_what_is_shared(self, study: optuna.Study) -> list[FrozenTrial]:
        """The earlier trials with all that the study's own have in common.

        Those that lack some of it are not shown, unless most do: then what they lack is not drawn
        together with the rest.
        """
        own = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        known = {**intersection_search_space(own, include_pruned=True), **self._searched}
        frozen = _frozen(self._earlier, known)
        alike = [trial for trial in frozen if trial.distributions.keys() == known.keys()]
        if 2 * len(alike) > len(frozen):
            return alike
        return _frozen(self._earlier, self._searched) if self._searched else []

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values that are chosen together."""
        view = _view(study, self._shown)
        values: dict[str, Any] = self._sampler.sample_relative(view, trial, search_space)
        return values

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value that is chosen by itself."""
        frozen = self._shown
        if param_name not in self._searched:
            known = {**self._searched, param_name: param_distribution}
            frozen = _frozen(self._earlier, known)
        return self._sampler.sample_independent(
            _view(study, frozen), trial, param_name, param_distribution
        )

    def reseed_rng(self) -> None:
        """Draw other numbers from now on."""
        self._sampler.reseed_rng()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """A trial begins; this is between the sampler and the study."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """A trial ended; this is between the sampler and the study."""
        self._sampler.after_trial(study, trial, state, values)


class _View:
    """A study with trials in front of its own, for a sampler to look at.

    Optuna's Hyperband pruner shows samplers a part of a study in the same way.
    """

    def __init__(self, study: optuna.Study, earlier: Sequence[FrozenTrial]) -> None:
        self._study = study
        self._earlier = earlier

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.get_trials()

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._get_trials(deepcopy, states)

    # Optuna's samplers call this one, some by position.
    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        own = self._study._get_trials(deepcopy=deepcopy, states=states, use_cache=use_cache)
        earlier = self._earlier if states is None or TrialState.COMPLETE in states else ()
        return [*earlier, *own]


def _view(study: optuna.Study, earlier: Sequence[FrozenTrial]) -> optuna.Study:
    return cast("optuna.Study", _View(study, earlier))


def _frozen(
    earlier: Sequence[EarlierTrial], known: dict[str, BaseDistribution]
) -> list[FrozenTrial]:
    """The earlier trials with those of their values that the ``known`` distributions hold.

    They are numbered up to -1: older than the study's first, and none of its trials.
    """
    return [
        _as_optunas(trial, number, known) for number, trial in enumerate(earlier, -len(earlier))
    ]


def _as_optunas(
    trial: EarlierTrial, number: int, known: dict[str, BaseDistribution]
) -> FrozenTrial:
    params: dict[str, Any] = {}
    for name, distribution in known.items():
        if name in trial.values:
            params[name] = trial.values[name]
        elif name in trial.others:
            try:
                params[name] = _fitted(name, trial.others[name], distribution)
            except MisfitError:
                continue
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.COMPLETE,
        value=trial.value,
        values=None,
        datetime_start=None,
        datetime_complete=None,
        params=params,
        distributions={name: known[name] for name in params},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _fitted(name: str, value: Scalar, distribution: BaseDistribution) -> Scalar:
    """The value as the distribution would have proposed it; see ``fit``."""
    numeric = isinstance(distribution, IntDistribution | FloatDistribution)
    if numeric and name.endswith(MIRRORED) and isinstance(value, int | float):
        value = distribution.low + distribution.high - value
    return fit(value, distribution)
