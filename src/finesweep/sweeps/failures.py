"""When to give up: the same error in trial after trial is a bug or a bad set-up, not bad luck."""

from __future__ import annotations

import re

from finesweep.errors import SweepFailedError


class FailureStreak:
    """Counts in how many trials in a row the same error was the end.

    Two errors are the same if they are of one kind and the first lines of their messages differ in
    numbers only, such as a trial's number or the shape of a batch. A diverged trial is no error: a
    wide range of learning rates makes several.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._error: tuple[str, str] | None = None
        self._count = 0

    def clear(self) -> None:
        """A trial ended otherwise: the streak is over."""
        self._error, self._count = None, 0

    def add(self, kind: str, reason: str) -> None:
        """A trial failed with this error.

        Raises:
            SweepFailedError: it is the same error for the ``limit``-th time in a row.
        """
        error = (kind, re.sub(r"\d+", "#", reason.partition("\n")[0]))
        self._count = self._count + 1 if error == self._error else 1
        self._error = error
        if self._count >= self._limit:
            trials = "trials in a row" if self._count > 1 else "trial"
            raise SweepFailedError(
                f"{self._count} {trials} failed with the same error, {kind}: {reason}; "
                "mend its cause and run the same command to go on; failed trials count, so add "
                "--trials N if too few are left"
            )
