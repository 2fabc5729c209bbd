"""Patience with a tracking store that has gone away."""

from __future__ import annotations

from time import monotonic

from finesweep.errors import TrackingError
from finesweep.tracking.obstacles import may_pass

# How often a store that is away is asked for a new run, and after how long with nothing left to
# train the sweep gives up. In seconds.
RETRY_SECONDS = 2.0
PATIENCE_SECONDS = 600.0


class StoreWatch:
    """Remembers that the store was away when a run was to be begun there.

    Trials that run do not notice: what they report waits in the outbox. But a new trial needs a
    run, and no trial is started until the store gives one again.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._asked = -RETRY_SECONDS

    @property
    def is_away(self) -> bool:
        """Whether the store did not answer when it was last asked."""
        return self._since is not None

    @property
    def may_be_asked(self) -> bool:
        """Whether it is time to ask again."""
        return not self.is_away or monotonic() - self._asked >= RETRY_SECONDS

    def is_there(self) -> None:
        """The store answered."""
        self._since = None

    def is_gone(self, error: TrackingError, *, anything_runs: bool) -> None:
        """The store did not answer.

        Raises:
            TrackingError: that very error, if waiting is of no use: the store refused for good, or
                it has been away for long and nothing runs meanwhile.
        """
        self._asked = monotonic()
        if self._since is None:
            self._since = self._asked
        waited_long = self._asked - self._since >= PATIENCE_SECONDS
        if not may_pass(error) or (waited_long and not anything_runs):
            raise error
