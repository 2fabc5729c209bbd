"""The outbox of a sweep or a training, delivered for as long as it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from finesweep.errors import TrackingError
from finesweep.tracking import Delivery, DeliveryState, Outbox, TrackingStore

OUTBOX_FILE = "outbox.db"

# How long the end waits for a tracking store that is away, in seconds.
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
        deliver(delivery)


def nothing_waits(file: Path) -> bool:
    """Whether there is no outbox, or an empty one."""
    if not file.exists():
        return True
    with Outbox.open(file) as outbox:
        return not outbox.pending


def deliver(delivery: Delivery) -> None:
    """Wait until everything is delivered.

    Raises:
        TrackingError: the store is away; what is left stays on disk.
    """
    if not delivery.flush(END_PATIENCE_SECONDS):
        raise TrackingError(what_is_left(delivery.state))


def what_is_left(state: DeliveryState) -> str:
    """What was not delivered, why, and what to do, in one line."""
    why = f" ({state.reason})" if state.reason else ""
    return (
        f"{state.pending} records still wait on disk for the tracking store, which does not answer"
        f"{why}; nothing is lost: once it is back, 'finesweep doctor --repair' delivers them, and "
        "so does the same command"
    )
