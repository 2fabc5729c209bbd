"""A trial of earlier work that came in: what the study keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from finesweep.sweeps.warm_start.found import Scalar


@dataclass(frozen=True, kw_only=True)
class EarlierTrial:
    """Its values of what this sweep searches, and of whatever else it had, and its metric.

    ``others`` are as the source has them: what a hypermodel will ask for, and with which choices,
    is not known before it does.
    """

    name: str
    values: dict[str, Scalar]
    value: float
    others: dict[str, Scalar] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """The trial as JSON values."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> EarlierTrial:
        """The trial that ``to_plain`` gave."""
        return cls(**plain)
