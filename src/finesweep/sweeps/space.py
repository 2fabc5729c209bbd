"""The search space: from configuration to Optuna's distributions, from a trial to its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from finesweep.config import ExperimentConfig, SpaceConfig
from finesweep.config.space import HYPERPARAMETERS, Entry, FloatChoices, IntChoices, IntRange
from finesweep.config.sweep import MOST_GRID_POINTS
from finesweep.training.drawing import DrawingError, Value
from finesweep.training.hyperparameters import Hyperparameters


def distributions(space: SpaceConfig) -> dict[str, BaseDistribution]:
    """Optuna's distribution of each searched hyperparameter, in the order of the fields."""
    return {name: distribution(entry) for name, entry in space.entries().items()}


def distribution(entry: Entry) -> BaseDistribution:
    """Optuna's distribution of one entry of the space."""
    if isinstance(entry, FloatChoices | IntChoices):
        return CategoricalDistribution(entry.choices)
    if isinstance(entry, IntRange):
        return IntDistribution(entry.low, entry.high, log=entry.log, step=entry.step or 1)
    return FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)


def propose(
    trial: optuna.Trial, *, space: SpaceConfig, experiment: ExperimentConfig
) -> Hyperparameters:
    """The values the study proposes; a hyperparameter not searched keeps the experiment's.

    The trial is asked for every searched hyperparameter, always in the same order.
    """
    for name, wanted in distributions(space).items():
        _suggest(trial, name, wanted)
    return complete(trial.params, experiment=experiment)


def complete(params: Mapping[str, Value], *, experiment: ExperimentConfig) -> Hyperparameters:
    """Searched values and, where none was searched, the experiment's; other names are left out."""
    own = Hyperparameters(**{name: getattr(experiment, name) for name in HYPERPARAMETERS})
    return own.updated(params)


def values_of(distribution: BaseDistribution) -> Sequence[Any]:
    """Every value of a distribution, as Optuna holds it.

    Raises:
        DrawingError: there is no end of them, or there are more than a grid may have points.
    """
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return _few_enough(range(distribution.low, distribution.high + 1, distribution.step))
    assert isinstance(distribution, FloatDistribution)
    if distribution.single():
        return (distribution.low,)
    if distribution.step is None:
        raise DrawingError(
            "a grid needs finitely many values, received "
            f"{distribution.low:g} to {distribution.high:g}; "
            "give it a step or choices, or take another sampler"
        )
    # In decimals, as the user wrote them: 0.1 + 2 × 0.1 is 0.3.
    low, step = Decimal(str(distribution.low)), Decimal(str(distribution.step))
    # The highest is a whole number of steps away, but for rounding.
    steps = _few_enough(range(round((Decimal(str(distribution.high)) - low) / step) + 1))
    return tuple(min(float(low + index * step), distribution.high) for index in steps)


def _few_enough(values: range) -> range:
    if len(values) > MOST_GRID_POINTS:
        raise DrawingError(
            f"a grid takes at most {MOST_GRID_POINTS:,} values, received {len(values):,}; "
            "give it a larger step or choices, or take another sampler"
        )
    return values


def _suggest(trial: optuna.Trial, name: str, wanted: BaseDistribution) -> None:
    if isinstance(wanted, CategoricalDistribution):
        trial.suggest_categorical(name, wanted.choices)
    elif isinstance(wanted, IntDistribution):
        trial.suggest_int(name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
    elif isinstance(wanted, FloatDistribution):
        trial.suggest_float(name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
