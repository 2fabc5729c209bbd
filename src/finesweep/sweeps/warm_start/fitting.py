"""Whether a value of earlier work is one of this sweep's, whatever type its source gave it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from finesweep.config import SweepConfig
from finesweep.config.space import HYPERPARAMETERS
from finesweep.sweeps.space import distributions
from finesweep.sweeps.warm_start.found import FoundTrial, Scalar

# Values that went through a logarithm, or another program's text, come back a little off.
_TOLERANCE = 1e-9
_STEP_TOLERANCE = 1e-6  # in steps


class MisfitError(ValueError):
    """A value, or a trial, that this sweep could not have; the message follows a number."""


def fit_trial(trial: FoundTrial, config: SweepConfig) -> dict[str, Scalar]:
    """The trial's values of what this sweep searches, in this sweep's types.

    A hyperparameter that this sweep does not search must have had the sweep's value, if the source
    knows it: under another one the same learning rate leads elsewhere. Beside a hypermodel that may
    search it, it need not.

    Raises:
        MisfitError: the trial is none to learn from, lacks a value, or has one this sweep cannot.
    """
    metric = config.experiment.metric
    if trial.unusable is not None:
        raise MisfitError(trial.unusable)
    if trial.value is None or not math.isfinite(trial.value):
        raise MisfitError(f"had no {metric}" if trial.value is None else f"had no finite {metric}")
    wanted = distributions(config.space)
    for name in () if config.hypermodel else HYPERPARAMETERS.keys() - wanted.keys():
        here = getattr(config.experiment, name)
        if name in trial.params and not _are_close(_number(trial.params[name]), here):
            raise MisfitError(f"had {_with_article(name)} other than the fixed {here:g}")
    return {name: _fit_named(name, trial.params, wanted[name]) for name in wanted}


def _fit_named(name: str, params: Mapping[str, Any], distribution: BaseDistribution) -> Scalar:
    if name not in params:
        raise MisfitError(f"had no {name}")
    try:
        return fit(params[name], distribution)
    except MisfitError as exc:
        raise MisfitError(f"had {_with_article(name)} {exc}") from exc


def _with_article(name: str) -> str:
    return name if name.endswith("s") else f"a {name}"


def fit(value: Any, distribution: BaseDistribution) -> Scalar:
    """``value`` as the distribution would have proposed it: ``"1e-5"`` as a number, 16.0 as 16.

    Raises:
        MisfitError: the distribution does not hold it.
    """
    if isinstance(distribution, CategoricalDistribution):
        return _fit_choice(value, distribution)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return _fit_range(value, distribution)


def _fit_choice(value: Any, distribution: CategoricalDistribution) -> Scalar:
    # True equals 1, so the type decides first; what is left is a value that lost its type.
    choices: tuple[Scalar, ...] = distribution.choices
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    for choice in choices:
        if isinstance(value, str) and value == str(choice):
            return choice
        if _are_close(_number(value), _number(choice)) and not isinstance(choice, bool):
            return choice
    raise MisfitError("that is no choice now")


def _fit_range(value: Any, distribution: IntDistribution | FloatDistribution) -> int | float:
    number = _number(value)
    if number is None or not math.isfinite(number):
        raise MisfitError("that is no number")
    low, high, step = distribution.low, distribution.high, distribution.step
    number = next((bound for bound in (low, high) if _are_close(number, bound)), number)
    if not low <= number <= high:
        raise MisfitError(f"outside {low:g} to {high:g}")
    if step is not None:
        steps = (number - low) / step
        if abs(steps - round(steps)) > _STEP_TOLERANCE:
            whole = isinstance(distribution, IntDistribution) and step == 1
            raise MisfitError("that is no whole number" if whole else f"between steps of {step:g}")
    return round(number) if isinstance(distribution, IntDistribution) else float(number)


def _number(value: Any) -> float | None:
    """``value`` as a number; None for what is none. True is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _are_close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return False
    return math.isclose(one, other, rel_tol=_TOLERANCE)
