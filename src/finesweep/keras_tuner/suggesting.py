"""A KerasTuner search space whose values come from an Optuna trial.

Optuna knows a parameter by one name and one kind of distribution, KerasTuner a hyperparameter by
its name and its conditions. So that both are content, Optuna's name differs from KerasTuner's in
two cases, and is always the same for the same hyperparameter:

* under a condition it says so: ``units [kind=cnn]``, or ``units [kind=cnn|mlp, deep=True]``;
* for ``reverse_log``, which Optuna does not have, it is what is drawn on a log scale and then
  mirrored: ``momentum (reverse_log)``. The value is ``min + max`` less what was drawn.

Steps on a log scale multiply, as KerasTuner has it, and Optuna has no such steps: the finitely many
values are choices to it. ``HyperParameters.values`` always holds what the model gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters as kinds

from finesweep.errors import TrialError
from finesweep.training.drawing import ANOTHER_NAME, MIRRORED, DrawingError, Suggests, Value


def suggest(trial: Suggests) -> SuggestedHyperParameters:
    """A ``keras_tuner.HyperParameters`` that draws from ``trial``.

    Whatever takes a ``HyperParameters`` runs unchanged with it: ``build_model(suggest(trial))``.
    A space that stands in a ``HyperParameters`` of your own is drawn with
    ``suggest(trial).merge(hp)``.
    """
    return SuggestedHyperParameters(trial)


class SuggestedHyperParameters(keras_tuner.HyperParameters):
    """Hyperparameters that are drawn from a trial when they are first asked for.

    As in KerasTuner a name has one value at a time: asked for again it is the same, and one that is
    not active is None. ``offered`` are values that ``get`` gives although nobody declared them;
    who declares one of these names, before or after, draws a value of his own.

    Declaring raises ``TrialError`` when the trial's study knows the hyperparameter with another
    distribution, one that Optuna cannot take for the same.
    """

    def __init__(self, trial: Suggests, *, offered: Mapping[str, Value] | None = None) -> None:
        super().__init__()
        self._trial = trial
        self._offered = dict(offered or {})
        self._lent: set[str] = set()

    def get(self, name: str) -> Any:
        """The value of a hyperparameter that was declared, or else offered."""
        full = self._get_name(name)
        if self._is_offered(full):
            self._register(kinds.Fixed(full, self._offered[full]))
            self._lent.add(full)
        return super().get(name)

    def __contains__(self, name: str) -> bool:
        """Whether ``get`` would give a value; asking takes none."""
        full = self._get_name(name)
        return full in self.values or self._is_offered(full)

    @property
    def lent(self) -> dict[str, Value]:
        """The values that ``get`` gave of those offered, and that nobody has declared since."""
        return {name: self.values[name] for name in self.values if name in self._lent}

    @property
    def drawn(self) -> dict[str, Value]:
        """The values of what was declared, as far as it is active."""
        return {name: self.values[name] for name in self.values if name not in self._lent}

    def _is_offered(self, full: str) -> bool:
        return full not in self._hps and full in self._offered

    def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
        del overwrite  # by a default, where the trial's value is what counts
        self._validate_name(hyperparameter.name)
        self._take_back(hyperparameter.name)
        if hyperparameter.name not in self.values and self.is_active(hyperparameter):
            self.values[hyperparameter.name] = self._draw(hyperparameter)
        return super()._register(hyperparameter)

    def _retrieve(self, hyperparameter: Any) -> Any:
        self._take_back(hyperparameter.name)
        return super()._retrieve(hyperparameter)

    def _take_back(self, name: str) -> None:
        """Forget a value that was offered and taken, if it was: it is declared now."""
        if name in self._lent:
            self._lent.remove(name)
            self._space.remove(self._hps.pop(name)[0])
            del self.values[name]

    def _draw(self, hyperparameter: Any) -> Value:
        name = trial_name(hyperparameter)
        try:
            return draw(self._trial, name, hyperparameter)
        except ValueError as exc:
            advice = "" if isinstance(exc, DrawingError) else f"; {ANOTHER_NAME}"
            raise TrialError(
                f"expected the hyperparameter '{name}' as the study can draw it, received "
                f"{hyperparameter!r}: {exc}{advice}"
            ) from exc


def trial_name(hyperparameter: Any) -> str:
    """The name Optuna knows a hyperparameter by, apart from that of a mirrored one."""
    conditions = [
        f"{condition.name}={'|'.join(map(str, condition.values))}"
        for condition in hyperparameter.conditions
    ]
    listed = f" [{', '.join(conditions)}]" if conditions else ""
    return f"{hyperparameter.name}{listed}"


def draw(trial: Suggests, name: str, hyperparameter: Any) -> Value:
    """A value of a KerasTuner hyperparameter, of the type KerasTuner would give it."""
    value: Value
    match hyperparameter:
        case kinds.Fixed():
            value = hyperparameter.value
        case kinds.Boolean() | kinds.Choice():
            # Each once: Optuna takes the same choice twice for a mistake.
            value = trial.suggest_categorical(name, list(dict.fromkeys(hyperparameter.values)))
        case kinds.Int() | kinds.Float() if has_multiplying_step(hyperparameter):
            value = trial.suggest_categorical(name, multiples(hyperparameter))
        case kinds.Int():
            value = _draw_int(trial, name, hyperparameter)
        case kinds.Float():
            value = _draw_float(trial, name, hyperparameter)
        case _:
            raise TypeError(f"expected a hyperparameter of KerasTuner, received {hyperparameter!r}")
    return value


def has_multiplying_step(number: Any) -> bool:
    """Whether the values of an Int or Float are finitely many on a log scale."""
    return number.step is not None and number.sampling != "linear"


def multiples(number: Any) -> list[int] | list[float]:
    """The values of an Int or Float whose step multiplies, in KerasTuner's order.

    On a log scale these are ``min``, ``min × step`` and so on up to ``max``; on a reverse_log scale
    the same mirrored, from ``max`` down.
    """
    low, high, step = number.min_value, number.max_value, number.step
    values = [low]
    # A hair of rounding must not cost the last one: 0.001 to 10 by tens has five values.
    while values[-1] * step <= high * (1 + 1e-9):
        values.append(values[-1] * step)
    if number.sampling == "reverse_log":
        values = [low + high - value for value in values]
    return [min(max(value, low), high) for value in values]


def _draw_int(trial: Suggests, name: str, number: Any) -> int:
    low, high, step = number.min_value, number.max_value, number.step
    if number.sampling == "reverse_log":
        return int(low + high - trial.suggest_int(_mirrored(name), low, high, log=True))
    if number.sampling == "log":
        return int(trial.suggest_int(name, low, high, log=True))
    return int(trial.suggest_int(name, low, low + (high - low) // step * step, step=step))


def _draw_float(trial: Suggests, name: str, number: Any) -> float:
    low, high = number.min_value, number.max_value
    if number.sampling == "reverse_log":
        value = low + high - trial.suggest_float(_mirrored(name), low, high, log=True)
        return float(min(max(value, low), high))
    if number.sampling == "log":
        return float(trial.suggest_float(name, low, high, log=True))
    if number.step is None:
        return float(trial.suggest_float(name, low, high))
    # In decimals, as the user wrote them: from 0 to 1 a step of 0.1 is made ten times, not nine.
    start, step = Decimal(str(low)), Decimal(str(number.step))
    last = start + (Decimal(str(high)) - start) // step * step
    return float(trial.suggest_float(name, low, float(last), step=float(step)))


def _mirrored(name: str) -> str:
    return f"{name}{MIRRORED}"
