"""What the doctor finds: one line, how bad it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "environment",
    "disk",
    "versions",
    "stores",
    "sweeps",
    "runs",
    "workers",
    "outboxes",
    "leftovers",
]
"""In the order in which they are shown."""

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing the doctor saw.

    ``subject`` is what it is about (a path, a run, a sweep): a finding of the same kind and subject
    is the same one, seen again. ``sweep`` names the sweep it belongs to, if it does to one.
    ``repairable`` says that ``--repair`` puts it right, ``repaired`` that it just did.
    """

    kind: Kind
    level: Level
    subject: str
    what: str
    advice: str | None = None
    sweep: str | None = None
    repairable: bool = False
    repaired: bool = False

    @property
    def is_open(self) -> bool:
        """Whether this is a problem that is still there."""
        return self.level == "problem" and not self.repaired

    def is_same_as(self, other: Finding) -> bool:
        """Whether the other is about the same thing, and as bad."""
        return (self.kind, self.subject, self.level) == (other.kind, other.subject, other.level)
