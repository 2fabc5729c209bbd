"""The hyperparameters of one trial of a hypermodel: drawn as it asks, and put on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from finesweep.errors import TrialError
from finesweep.keras_tuner.suggesting import SuggestedHyperParameters
from finesweep.training.drawing import Draws, Value
from finesweep.training.hyperparameters import Hyperparameters


class Drawing:
    """Draws from ``draws`` what a hypermodel asks for, and tells it what is in effect.

    Of the four that are ``given`` the ``searched`` ones are fixed: the hypermodel gets them
    whatever it asks for. The others it can get, or draw anew.
    """

    def __init__(self, draws: Draws, given: Hyperparameters, *, searched: tuple[str, ...]) -> None:
        self._draws = draws
        self._given = given
        self._noted: dict[str, Value] = {}
        values = given.as_dict()
        self.hp = SuggestedHyperParameters(draws, offered=values)
        for name in searched:
            self.hp.Fixed(name, values[name])

    def build(self, hypermodel: Any) -> Any:
        """The model; what was drawn for it is on record, even if building it failed.

        Raises ``TrialError`` if the hypermodel builds something else.
        """
        try:
            hypermodel.declare_hyperparameters(self.hp)
            model = hypermodel.build(self.hp)
        finally:
            self.note()
        if not isinstance(model, keras.Model):
            raise TrialError(
                f"expected a keras.Model from the hypermodel's build, received "
                f"{type(model).__name__}; return the model"
            )
        self.note({"max_length": self.hyperparameters.max_length})
        return model

    def note(self, others: Mapping[str, Value] | None = None) -> None:
        """Put on record what was drawn since the last time, and ``others`` that are in effect."""
        values = {**(others or {}), **self.hp.values}
        new = {name: value for name, value in values.items() if name not in self._noted}
        if new:
            self._noted |= new
            self._draws.note(new)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The four as they are now: what the hypermodel drew takes the place of what was given."""
        return self._given.updated(self.hp.values)

    @property
    def drawn(self) -> dict[str, Value]:
        """All values that are active so far."""
        return dict(self.hp.values)
