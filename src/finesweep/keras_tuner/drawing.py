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
    whatever it asks for. The others it can get, or draw anew: what was only lent is on record when
    the training begins, and no sooner.
    """

    def __init__(self, draws: Draws, given: Hyperparameters, *, searched: tuple[str, ...]) -> None:
        self._draws = draws
        self._given = given
        self._lent: dict[str, Value] = {}
        self._noted: set[str] = set()
        self._trains = False
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

    def lend(self, values: Mapping[str, Value]) -> None:
        """Remember what is given to a training that may or may not go by it."""
        self._lent |= values

    def begin(self, others: Mapping[str, Value] | None = None) -> None:
        """The training begins, with ``others`` in effect; may be called again."""
        begins, self._trains = not self._trains, True
        values = {**self._lent, **self.hp.lent}
        for name, value in (others or {}).items():
            # Of a fit in stages these are the first stage's epochs, those it was given are all.
            if name != "epochs" or name not in values:
                values[name] = value
        self.note(values, trains=begins)

    def conclude(self) -> None:
        """Put on record what is not yet: what was lent, if it came to training."""
        if self._trains:
            self.begin()
        else:
            self.note()

    def note(self, others: Mapping[str, Value] | None = None, *, trains: bool = False) -> None:
        """Put on record what was drawn since the last time, and ``others`` that are in effect."""
        values = {**(others or {}), **self.hp.drawn}
        new = {name: value for name, value in values.items() if name not in self._noted}
        if new or trains:
            self._noted |= new.keys()
            self._draws.note(new, trains=trains)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The four as they are now: what the hypermodel drew takes the place of what was given."""
        return self._given.updated(self.hp.values)

    @property
    def values(self) -> dict[str, Value]:
        """All that are active so far, drawn or lent."""
        return dict(self.hp.values)
