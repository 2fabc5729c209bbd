"""The outbox of a sweep or a training, delivered for as long as it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from finesweep.errors import DiskFullError, TrackingError
from finesweep.sweeps.store_watch import RETRY_SECONDS
from finesweep.tracking import Delivery, DeliveryState, Outbox, TrackingStore

OUTBOX_FILE = "outbox.db"

# How long the end of a single training waits for a tracking store that is away, in seconds.
END_PATIENCE_SECONDS = 120.0
# The same where something went wrong before.
BREAK_OFF_PATIENCE_SECONDS = 10.0


@contextmanager
def delivering(store: TrackingStore, folder: Path) -> Iterator[Outbox]:
    """An outbox in ``folder`` whose entries go to ``store``; at the end of the block all have gone.

    Raises:
        TrackingError: the block came to its end, but the store is still away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Outbox.open(folder / OUTBOX_FILE) as outbox, Delivery(outbox, store) as delivery:
        try:
            yield outbox
        except BaseException:
            # What went wrong is what the user must see, whatever becomes of the delivery.
            with suppress(Exception):
                delivery.flush(BREAK_OFF_PATIENCE_SECONDS)
            raise
        deliver(delivery, patience=END_PATIENCE_SECONDS)


def nothing_waits(file: Path) -> bool:
    """Whether there is no outbox, or an empty one."""
    if not file.exists():
        return True
    with Outbox.open(file) as outbox:
        return not outbox.pending


def deliver(
    delivery: Delivery, *, patience: float, look_around: Callable[[], None] = lambda: None
) -> None:
    """Wait until everything is delivered; ``look_around`` is called now and then, and at the end.

    Raises:
        TrackingError: the store has been away for ``patience`` seconds; what is left stays on disk.
        DiskFullError: the store is on a disk of this machine that is full.
    """
    deadline = monotonic() + patience
    pending = delivery.state.pending
    while not delivery.flush(min(RETRY_SECONDS, max(0.0, deadline - monotonic()))):
        look_around()
        state = delivery.state
        if state.disk_is_full:
            raise DiskFullError(what_is_left(state))
        if state.away_since is None or state.pending < pending:
            # It is slow, or has much to take: that is no reason to give up.
            deadline = monotonic() + patience
        elif monotonic() >= deadline:
            raise TrackingError(what_is_left(state))
        pending = state.pending
    look_around()


def what_is_left(state: DeliveryState) -> str:
    """What was not delivered, why, and what to do, in one line."""
    if state.disk_is_full:
        return (
            f"no space is left on the disk of the tracking store, for which {state.pending} "
            "records wait; nothing is lost: free some and run the same command"
        )
    why = f" ({state.reason})" if state.reason else ""
    return (
        f"{state.pending} records still wait on disk for the tracking store, which does not answer"
        f"{why}; nothing is lost: once it is back, 'finesweep doctor --repair' delivers them, and "
        "so does the same command"
    )
