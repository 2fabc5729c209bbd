"""Samplers: who proposes the next hyperparameters.

A sampler is built anew for every trial, seeded by the sweep's seed and the trial's place in the
sweep. What it knows it reads from the study, so that a sweep which was interrupted and continued
proposes what an uninterrupted one would have, and no startup trial is drawn twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from finesweep.config import SweepConfig
from finesweep.sweeps.grid import Grid, GridSampler
from finesweep.sweeps.record import is_retry

TPE_STARTUP_TRIALS = 10
CMAES_STARTUP_TRIALS = 5


def build_sampler(config: SweepConfig, trials: Sequence[FrozenTrial]) -> BaseSampler:
    """The sampler that proposes the trial after ``trials``.

    Args:
        config: the sweep.
        trials: all trials of the study so far, in whatever state.
    """
    sampler = config.sampler
    seed = _draw_seed(sampler.seed, trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match sampler.name:
            case "tpe":
                startup = sampler.n_startup_trials or TPE_STARTUP_TRIALS
                return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
            case "random":
                return optuna.samplers.RandomSampler(seed=seed)
            case "grid":
                return GridSampler(Grid.of(config.space), trials=trials, seed=sampler.seed)
            case "qmc":
                # One sequence for the whole sweep: its seed must not change from trial to trial.
                return optuna.samplers.QMCSampler(
                    seed=sampler.seed,
                    scramble=True,
                    independent_sampler=optuna.samplers.RandomSampler(seed=seed),
                    warn_independent_sampling=False,
                )
            case "cmaes":
                return _cmaes(seed, sampler.n_startup_trials or CMAES_STARTUP_TRIALS)


def _cmaes(seed: int, n_startup_trials: int) -> BaseSampler:
    """CMA-ES for the ranges; choices have no order, so they are drawn at random beside it."""
    return optuna.samplers.CmaEsSampler(
        seed=seed,
        n_startup_trials=n_startup_trials,
        independent_sampler=optuna.samplers.RandomSampler(seed=seed),
        warn_independent_sampling=False,
    )


def _draw_seed(seed: int, trials: Sequence[FrozenTrial]) -> int:
    """A seed for the next draw; retries repeat a draw and are not counted."""
    draw = sum(not is_retry(trial) for trial in trials)
    return int(np.random.SeedSequence([seed, draw]).generate_state(1)[0])
