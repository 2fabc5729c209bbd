"""Pruners on ticks: which trials are stopped before their end, and what is said about it.

A trial reports its metric at every tick, and a tick is a quarter of an epoch counted in examples,
so that trials of every batch size stand on one grid (see ``training.progress``).
"""

from __future__ import annotations

import optuna
from optuna.pruners import BasePruner

from finesweep.config import (
    AshaPruner,
    HyperbandPruner,
    MedianPruner,
    NoPruner,
    PercentilePruner,
    PrunerConfig,
    SweepConfig,
)
from finesweep.training.progress import TICKS_PER_EPOCH


def build_pruner(config: SweepConfig) -> BasePruner:
    """Optuna's pruner for a sweep, counting in ticks."""
    pruner = config.pruner
    match pruner:
        case PercentilePruner():
            # Optuna keeps the best `percentile` per cent and knows the study's direction.
            return optuna.pruners.PercentilePruner(
                pruner.percentile,
                n_startup_trials=pruner.n_startup_trials,
                n_warmup_steps=ticks(pruner.warmup_epochs),
            )
        case MedianPruner():
            return optuna.pruners.MedianPruner(
                n_startup_trials=pruner.n_startup_trials,
                n_warmup_steps=ticks(pruner.warmup_epochs),
            )
        case AshaPruner():
            return optuna.pruners.SuccessiveHalvingPruner(
                min_resource=ticks(pruner.min_epochs), reduction_factor=pruner.eta
            )
        case HyperbandPruner():
            return optuna.pruners.HyperbandPruner(
                min_resource=ticks(pruner.min_epochs),
                max_resource=ticks(config.most_epochs),
                reduction_factor=pruner.eta,
            )
        case NoPruner():
            return optuna.pruners.NopPruner()


def describe_verdict(pruner: PrunerConfig) -> str:
    """Why a trial was pruned, in words that follow its value."""
    match pruner:
        case PercentilePruner():
            return f"not among the best {pruner.percentile:g} % of the completed trials there"
        case MedianPruner():
            return "worse than the median of the completed trials there"
        case AshaPruner() | HyperbandPruner():
            return f"not among the best 1/{pruner.eta} of its rung"
        case NoPruner():
            return "pruned"


def ticks(epochs: float) -> int:
    """Epochs in whole ticks, to the nearest."""
    return round(epochs * TICKS_PER_EPOCH)
