"""A wish to stop the sweep soon, which anybody may utter and the coordinator heeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from finesweep.sweeps.result import Ending


@dataclass
class StopRequest:
    """Set once, perhaps by a signal handler; looked at by the coordinator between events.

    ``ending`` is what becomes of the trials that run: ``interrupted`` when the user asked,
    ``preempted`` when the machine did. ``is_heeded`` says that a coordinator is looking.
    """

    ending: Ending | None = None
    reason: str = ""
    is_heeded: bool = False

    def ask(self, ending: Ending, reason: str) -> None:
        """Ask for the end; the first who asks gives the reason."""
        if self.ending is None:
            # The reason first: the coordinator may look between the two.
            self.reason = reason
            self.ending = ending

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Somebody looks at it for as long as the block runs."""
        self.is_heeded = True
        try:
            yield
        finally:
            self.is_heeded = False

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked."""
        return self.ending is not None
