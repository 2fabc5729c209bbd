"""Optuna's distributions as KerasTuner's hyperparameters, and values both ways.

KerasTuner's own kinds cannot hold all that Optuna's can. A choice of mixed types, or with None in
it, is one of indices here; so is a range of decimal steps, whose last step KerasTuner may miss for
want of a bit. What comes back is a value of the distribution, and of its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters as kinds
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Space = Mapping[str, BaseDistribution]
Coded = dict[str, Any]
"""Values by name as KerasTuner has them."""


def hyperparameters_of(space: Space) -> keras_tuner.HyperParameters:
    """The space as KerasTuner knows it; all names are active at once."""
    made = keras_tuner.HyperParameters()
    made.merge([_kind(name, distribution) for name, distribution in space.items()])
    return made


def to_oracle(values: Mapping[str, Any], space: Space) -> Coded:
    """Those of the values that the space can hold, in its order."""
    return {
        name: _encode(values[name], distribution)
        for name, distribution in space.items()
        if name in values and holds(distribution, values[name])
    }


def from_oracle(coded: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The values of the space's names, as Optuna has them."""
    return {
        name: _decode(coded[name], distribution)
        for name, distribution in space.items()
        if name in coded
    }


def _kind(name: str, distribution: BaseDistribution) -> kinds.HyperParameter:
    if isinstance(distribution, CategoricalDistribution):
        return kinds.Choice(name, list(range(len(distribution.choices))), ordered=False)
    sampling = "log" if distribution.log else "linear"
    if isinstance(distribution, IntDistribution):
        step = None if distribution.log else distribution.step
        return kinds.Int(name, distribution.low, distribution.high, step=step, sampling=sampling)
    assert isinstance(distribution, FloatDistribution)
    if distribution.step is not None:
        return kinds.Int(name, 0, _steps(distribution))
    return kinds.Float(name, distribution.low, distribution.high, sampling=sampling)


def _encode(value: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return _index(value, distribution)
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return round((value - distribution.low) / distribution.step)
    return value


def _decode(coded: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[coded]
    if isinstance(distribution, IntDistribution):
        # The very end of KerasTuner's logarithmic scale is one above the highest.
        return min(max(int(coded), distribution.low), distribution.high)
    assert isinstance(distribution, FloatDistribution)
    if distribution.step is not None:
        # In decimals, as the user wrote them: 0.1 + 2 × 0.1 is 0.3.
        return float(Decimal(str(distribution.low)) + coded * Decimal(str(distribution.step)))
    # A power may come out a bit beyond the end.
    return min(max(float(coded), distribution.low), distribution.high)


def _steps(distribution: FloatDistribution) -> int:
    steps: int = round((distribution.high - distribution.low) / distribution.step)
    return steps


def holds(distribution: BaseDistribution, value: Any) -> bool:
    """Whether the value is one of the distribution's."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return value is not None and bool(distribution._contains(value))


def _index(value: Any, distribution: CategoricalDistribution) -> int:
    """The place of a choice: of the same type if there is one, since 1 equals True."""
    choices = distribution.choices
    alike = [place for place, choice in enumerate(choices) if type(choice) is type(value)]
    return next((place for place in alike if choices[place] == value), choices.index(value))
