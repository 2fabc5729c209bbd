"""Hyperparameters that have values already, as the parameters of an Optuna trial.

``suggesting`` goes from Optuna to KerasTuner; this is the way back, by the same names and
distributions. It is needed for values that KerasTuner gave: the defaults of hyperparameters that
first appear while a model is built or fitted, and those of a trial that is tried again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters as kinds
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from finesweep.keras_tuner.suggesting import draw, has_multiplying_step, trial_name


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A value as Optuna holds it, and the distribution it is one of."""

    value: Any
    distribution: BaseDistribution


def parameters_of(
    hyperparameters: keras_tuner.HyperParameters,
    *,
    among: keras_tuner.HyperParameters | None = None,
) -> dict[str, Parameter]:
    """The active hyperparameters by Optuna's names; only those ``among`` others, if there are any.

    A fixed one is no parameter, and neither is a default that lies outside its own range.
    """
    found: dict[str, Parameter] = {}
    for hyperparameter in hyperparameters.space:
        if among is not None and not among._exists(hyperparameter.name, hyperparameter.conditions):
            continue
        if isinstance(hyperparameter, kinds.Fixed) or not hyperparameters.is_active(hyperparameter):
            continue
        notes = _Notes(hyperparameter, hyperparameters.values[hyperparameter.name])
        draw(notes, trial_name(hyperparameter), hyperparameter)
        found |= {name: noted for name, noted in notes.noted.items() if _is_possible(noted)}
    return found


def _is_possible(parameter: Parameter) -> bool:
    try:
        internal = parameter.distribution.to_internal_repr(parameter.value)
    except ValueError:
        return False
    return bool(parameter.distribution._contains(internal))


class _Notes:
    """Stands in for a trial: is asked for one hyperparameter, and notes as what."""

    def __init__(self, hyperparameter: Any, value: Any) -> None:
        self._value = value
        if getattr(hyperparameter, "sampling", None) == "reverse_log":
            self._mirrors = not has_multiplying_step(hyperparameter)
        else:
            self._mirrors = False
        self.noted: dict[str, Parameter] = {}

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        value = low + high - self._value if self._mirrors else self._value
        return int(self._note(name, value, IntDistribution(low, high, step=step, log=log)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        value = low + high - self._value if self._mirrors else self._value
        return float(self._note(name, value, FloatDistribution(low, high, step=step, log=log)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        value = next((choice for choice in choices if _is_same(choice, self._value)), self._value)
        return self._note(name, value, CategoricalDistribution(tuple(choices)))

    def _note(self, name: str, value: Any, distribution: BaseDistribution) -> Any:
        self.noted[name] = Parameter(value=value, distribution=distribution)
        return value


def _is_same(choice: Any, value: Any) -> bool:
    """Whether they are equal, up to the rounding of a step that multiplies."""
    if isinstance(choice, float) and isinstance(value, float):
        return math.isclose(choice, value, rel_tol=1e-9)
    return bool(choice == value) and type(choice) is type(value)
