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
from finesweep.sweeps.branches import branch_sampler
from finesweep.sweeps.grid import Grid, GridSampler
from finesweep.sweeps.warm_start.earlier import EarlierTrial
from finesweep.sweeps.warm_start.view import cmaes_sources, warm

TPE_STARTUP_TRIALS = 10
CMAES_STARTUP_TRIALS = 5


def build_sampler(
    config: SweepConfig,
    trials: Sequence[FrozenTrial],
    *,
    number: int,
    earlier: Sequence[EarlierTrial] = (),
) -> BaseSampler:
    """The sampler that proposes trial ``number``.

    ``trials`` are all trials of the study so far, in whatever state; ``earlier`` are those that it
    was warm-started with.
    """
    return warm(_build(config, trials, number=number, earlier=earlier), earlier, config)


def _build(
    config: SweepConfig,
    trials: Sequence[FrozenTrial],
    *,
    number: int,
    earlier: Sequence[EarlierTrial],
) -> BaseSampler:
    sampler = config.sampler
    seed = seed_of(config, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match sampler.name:
            case "tpe":
                startup = sampler.n_startup_trials or TPE_STARTUP_TRIALS
                return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
            case "random":
                return optuna.samplers.RandomSampler(seed=seed)
            case "grid" | "keras_tuner.grid" if config.hypermodel is not None:
                return branch_sampler(config, seed=seed)
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
                startup = sampler.n_startup_trials or CMAES_STARTUP_TRIALS
                return _cmaes(seed, startup, sources=cmaes_sources(earlier, config))
            case _:
                # It loads KerasTuner, and with it TensorFlow.
                from finesweep.sweeps.oracles.sampler import OracleSampler

                return OracleSampler(config, seed=seed)


def seed_of(config: SweepConfig, number: int) -> int:
    """The seed of trial ``number``.

    It is the trial's own, so that one that is taken up again draws what it would have drawn.
    """
    return int(np.random.SeedSequence([config.sampler.seed, number]).generate_state(1)[0])


def _cmaes(seed: int, n_startup_trials: int, *, sources: list[FrozenTrial] | None) -> BaseSampler:
    """CMA-ES for the ranges; choices have no order, so they are drawn at random beside it.

    ``sources`` are earlier trials whose best say where the first generation is drawn.
    """
    return optuna.samplers.CmaEsSampler(
        seed=seed,
        n_startup_trials=n_startup_trials,
        source_trials=sources,
        independent_sampler=optuna.samplers.RandomSampler(seed=seed),
        warn_independent_sampling=False,
    )
