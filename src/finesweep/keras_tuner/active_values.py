"""KerasTuner's hyperparameters, right where a name recurs under several conditions.

KerasTuner drops the value of a name as soon as one hyperparameter of that name is inactive, though
another is active: ``units`` of a network that has ``units`` of its own for each kind of layer. The
trial then fails, for its model asks for a value that is not there.
"""

from __future__ import annotations

import keras_tuner


class ActiveValues(keras_tuner.HyperParameters):
    """Hyperparameters of which exactly the active names have values."""

    @classmethod
    def of(cls, hyperparameters: keras_tuner.HyperParameters) -> ActiveValues:
        """The same space with the same values."""
        copied: ActiveValues = cls.from_config(hyperparameters.get_config())
        return copied

    def copy(self) -> ActiveValues:
        """A copy that keeps its values as right as this one does."""
        return self.of(self)

    def ensure_active_values(self) -> None:
        """Draw what is missing, and drop what no active hyperparameter is called."""
        # Parents come first, so that a value dropped or drawn decides on those that depend on it.
        for hyperparameter in self.space:
            name = hyperparameter.name
            if self.is_active(hyperparameter):
                if name not in self.values:
                    self.values[name] = hyperparameter.random_sample()
            elif not self.is_active(name):
                self.values.pop(name, None)
