"""Samplers and pruners by name, for whoever does not want to make one.

A sampler that is given by name is built anew for every trial, seeded by the search's seed and the
trial's number: a search that was interrupted draws nothing twice. Pruners count epochs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from finesweep.errors import StudyError
from finesweep.sweeps.branches import BranchSampler, leads_on
from finesweep.sweeps.space import values_of

SamplerFor = Callable[[int], BaseSampler]
"""The sampler that proposes the trial of a number."""

_PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    # As in a sweep: a few trials to compare with, and an epoch for each to find its feet.
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
    "percentile": lambda: optuna.pruners.PercentilePruner(
        75.0, n_startup_trials=4, n_warmup_steps=1
    ),
    "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, reduction_factor=3),
}
GRID = "grid"
_SAMPLERS = ("tpe", "random", "qmc", "cmaes", GRID)


def check_sampler(sampler: str | BaseSampler) -> None:
    """Raise ``StudyError`` for what is neither a sampler nor the name of one."""
    if not isinstance(sampler, BaseSampler) and sampler not in _SAMPLERS:
        raise StudyError(
            f"expected a sampler of Optuna, or one of {', '.join(_SAMPLERS)}, received {sampler!r}"
        )


def sampler_for(sampler: str | BaseSampler, *, seed: int) -> SamplerFor:
    """Who proposes: the sampler given, for every trial, or the named one, anew for each."""
    if isinstance(sampler, BaseSampler):
        return lambda _number: sampler
    return lambda number: _named(sampler, seed=seed, number=number)


def has_next(sampler: str | BaseSampler, trials: Sequence[FrozenTrial]) -> bool:
    """Whether something is left to try; only the grid comes to an end."""
    if sampler != GRID or any(trial.state == TrialState.WAITING for trial in trials):
        return True
    return leads_on(trials, values_of=values_of)


def pruner_of(pruner: str | BasePruner | None) -> BasePruner:
    """The pruner given or named.

    Raises:
        StudyError: there is none of this name.
    """
    if isinstance(pruner, BasePruner):
        return pruner
    make = _PRUNERS.get(pruner or "none")
    if make is None:
        raise StudyError(
            f"expected a pruner of Optuna, or one of {', '.join(_PRUNERS)}, received {pruner!r}"
        )
    return make()


def _named(name: str, *, seed: int, number: int) -> BaseSampler:
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    independent = optuna.samplers.RandomSampler(seed=own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match name:
            case "random":
                return independent
            case "qmc":
                # One sequence for the whole search: its seed must not change from trial to trial.
                return optuna.samplers.QMCSampler(
                    seed=seed,
                    scramble=True,
                    independent_sampler=independent,
                    warn_independent_sampling=False,
                )
            case "cmaes":
                return optuna.samplers.CmaEsSampler(
                    seed=own, independent_sampler=independent, warn_independent_sampling=False
                )
            case "grid":
                # Optuna's takes an attempt that broke off for one whose names were all there are.
                return BranchSampler(values_of=values_of, seed=own)
            case _:
                return optuna.samplers.TPESampler(seed=own)
