"""Patience with a tracking store that has gone away."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from finesweep.errors import FinesweepError, RegistryError, TrackingError
from finesweep.sweeps.news import StoreNews
from finesweep.tracking.obstacles import passing_obstacle

T = TypeVar("T")

# How often a store that is away is asked again.
RETRY_SECONDS = 2.0


class StoreWatch:
    """Remembers that the store was away when a run was to be begun there.

    Trials that run do not notice: what they report waits in the outbox. But a new trial needs a
    run, and no trial is started until the store gives one again. With nothing left to train the
    sweep gives up after ``patience`` seconds. ``reason`` says why it is away; None while it is not.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self.reason: str | None = None
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
        self._since, self.reason = None, None

    def is_gone(self, error: FinesweepError, *, anything_runs: bool) -> None:
        """The store did not answer.

        Raises:
            FinesweepError: that very error, if waiting is of no use: the store refused for good, or
                it has been away for long and nothing runs meanwhile.
        """
        self._asked = monotonic()
        if self._since is None:
            self._since = self._asked
        waited_long = self._asked - self._since >= self._patience
        obstacle = passing_obstacle(error)
        if obstacle is None or (waited_long and not anything_runs):
            raise error
        self.reason = obstacle.reason


def patiently(action: Callable[[], T], *, patience: float, news: StoreNews) -> T:
    """What ``action`` returns, which is done again for as long as the store is away.

    Raises whatever it raises, once waiting is of no use or has taken ``patience`` seconds.
    """
    watch = StoreWatch(patience)
    while True:
        try:
            result = action()
        except (TrackingError, RegistryError) as error:
            watch.is_gone(error, anything_runs=False)
            news.tell(unanswered=watch.reason)
            sleep(RETRY_SECONDS)
        else:
            news.tell()
            return result
