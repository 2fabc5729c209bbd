"""The hyperparameters one fine-tuning is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

_WHOLE = ("batch_size", "epochs", "max_length")


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What a trial varies: Adam's rate, examples a step, passes over the data, tokens kept."""

    learning_rate: float
    batch_size: int
    epochs: int
    max_length: int

    def as_dict(self) -> dict[str, float | int]:
        """Name to value, in the order of the fields; what MLflow logs as params."""
        return asdict(self)

    def updated(self, values: Mapping[str, object]) -> Self:
        """The same with those of ``values`` that are one of these, and a number as it is.

        A hypermodel may call what it likes ``learning_rate``, the name of a schedule too.
        """
        fitting = {
            name: value
            for name, value in values.items()
            if (name == "learning_rate" and type(value) in (int, float))
            or (name in _WHOLE and type(value) is int)
        }
        return replace(self, **fitting)  # type: ignore[arg-type]
