"""What is told about a source: how many of its trials came in, and why the others did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """What became of one source's trials.

    ``dropped`` counts the others by reason, in words that follow a number. ``refused`` is why
    nothing of the source was looked at. ``notes`` are what a reader of the results should know.
    """

    source: str
    found: int = 0
    came_in: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    refused: str | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for people: ``18 of 24 trials of 'lr' came in; 4 had failed, 2 had no x``."""
        if self.refused is not None:
            return f"nothing of {self.source} came in: {self.refused}"
        came_in = f"{self.came_in} of {self.found} trials of {self.source} came in"
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
        return "; ".join(part for part in (came_in, dropped, *self.notes) if part)

    def to_plain(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SourceReport:
        """The report that ``to_plain`` gave."""
        return cls(**{**plain, "notes": tuple(plain["notes"])})
