"""What the observer is told of the tracking store: each thing once."""

from __future__ import annotations

import time
from dataclasses import replace

from finesweep.sweeps.observer import SweepObserver
from finesweep.tracking import Delivery


class StoreNews:
    """Tells that the store went away, is back, or refused something, when that has changed."""

    def __init__(self, delivery: Delivery, observer: SweepObserver) -> None:
        self._delivery = delivery
        self._observer = observer
        self._told = (False, 0)

    def tell(self, *, unanswered: str | None = None) -> None:
        """Look at the delivery, and tell what is new.

        ``unanswered`` is why somebody else had no answer just now: the delivery, with nothing to
        deliver, would not notice. Raises whatever ended the delivery, if something did.
        """
        state = self._delivery.state
        if unanswered is not None and state.away_since is None:
            state = replace(state, away_since=time.time(), reason=unanswered)
        now = (state.away_since is not None, state.refused)
        if now != self._told:
            self._told = now
            self._observer.tracking_changed(state)
