"""The hyperparameters one fine-tuning is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass


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
