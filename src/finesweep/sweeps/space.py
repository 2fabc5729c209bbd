"""The search space: from configuration to Optuna's distributions, from a trial to its values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from finesweep.config import ExperimentConfig, SpaceConfig
from finesweep.config.space import HYPERPARAMETERS, Entry, FloatChoices, IntChoices, IntRange
from finesweep.training.drawing import Value
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


def grid_values(entry: Entry) -> tuple[float, ...]:
    """Every value an entry can take, as Optuna's distribution holds it.

    Raises:
        ValueError: there is no end of them; a sweep's configuration refuses such a grid.
    """
    if isinstance(entry, FloatChoices | IntChoices):
        return entry.choices
    if isinstance(entry, IntRange):
        return tuple(range(entry.low, entry.high + 1, entry.step or 1))
    if entry.size is None:
        raise ValueError(f"a grid needs finitely many values, received {entry.describe()}")
    # In decimals, as the user wrote them: 0.1 + 2 × 0.1 is 0.3.
    low, step = Decimal(str(entry.low)), Decimal(str(entry.step))
    return tuple(float(low + index * step) for index in range(entry.size))


def _suggest(trial: optuna.Trial, name: str, wanted: BaseDistribution) -> None:
    if isinstance(wanted, CategoricalDistribution):
        trial.suggest_categorical(name, wanted.choices)
    elif isinstance(wanted, IntDistribution):
        trial.suggest_int(name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
    elif isinstance(wanted, FloatDistribution):
        trial.suggest_float(name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
