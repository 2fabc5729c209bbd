"""The delivery: a thread that carries what lies in the outbox to the tracking store.

What it guarantees:

* **In order and once.** The entries of a run go one after another, each until the store has taken
  it. A process killed between the store's yes and the outbox's note delivers that entry again, and
  the store ends as if it had come once (see ``sending``).
* **For as long as it takes.** While the store is away (no connection, no answer, 429, 502, 503,
  504, a locked database, a full disk), everything is kept and tried again, after half a second
  first and then less and less often, down to every ten seconds. ``state`` says since when, and why,
  until the store takes the first entry again, however many are still to come.
* **One run does not hold up another.** A run whose entry meets an error that may pass (500, a
  password, a folder that may not be written to) waits alone. An entry that will never be taken (its
  run was deleted, a value MLflow does not allow) is set aside in the outbox.
* **It never dies in silence.** An error nobody foresaw ends the thread, and is raised by ``flush``
  and ``state``.

It is made for one process and one outbox: two deliveries of the same outbox would upset the order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from finesweep.errors import DiskFullError
from finesweep.tracking.entries import Entry
from finesweep.tracking.obstacles import Obstacle, obstacle_of
from finesweep.tracking.outbox import Outbox
from finesweep.tracking.sending import Sender, sent_together
from finesweep.tracking.store import TrackingStore, impatience

_REST_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_REQUEST_SECONDS = 10
# As long as a request, and MLflow's wait for a locked SQLite database, take at most.
_CLOSE_SECONDS = 25.0
_ENTRIES_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class DeliveryState:
    """How the delivery stands.

    ``pending`` entries are still to come and ``refused`` ones were set aside. ``away_since``
    (seconds since 1970) and ``reason`` tell since when something is kept back, and what keeps it;
    both are None while all goes well. ``disk_is_full`` says that it is a disk of this machine.
    """

    pending: int
    refused: int
    away_since: float | None
    reason: str | None
    disk_is_full: bool = False


class Delivery:
    """Delivers an outbox to a store from ``start`` to ``close``; see the module for the guarantees.

    While it runs, every MLflow request of this process fails at the first error and after ten
    seconds, so that an outage is seen in seconds.
    """

    def __init__(self, outbox: Outbox, store: TrackingStore) -> None:
        self._outbox = outbox
        self._sender = Sender(store, models=outbox.models)
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._settings = ExitStack()
        self._stopping = False
        self._hurried = False
        self._flushes = 0
        self._failures = 0
        self._away_since: float | None = None
        self._reason: str | None = None
        self._disk_is_full = False
        self._store_is_away = False
        self._bug: BaseException | None = None

    def start(self) -> None:
        """Begin to deliver."""
        if self._thread is not None:
            raise RuntimeError("the delivery was started before")
        self._settings.enter_context(impatience(seconds=_REQUEST_SECONDS))
        self._thread = threading.Thread(target=self._work, name="delivery", daemon=True)
        self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Deliver at once, for up to ``timeout`` seconds; whether nothing is left to deliver.

        What the store refuses counts as done: ``state.refused`` tells. A full disk of this machine
        is not waited for.
        """
        deadline = time.monotonic() + timeout
        with self._turn:
            self._flushes += 1
            self._hurried, self._failures, self._disk_is_full = True, 0, False
            self._turn.notify_all()
            while True:
                self._raise_bug()
                if self._outbox.pending == 0:
                    return True
                left = deadline - time.monotonic()
                if left <= 0 or self._disk_is_full or not self._is_alive:
                    return False
                self._turn.wait(min(left, _REST_SECONDS))

    @property
    def state(self) -> DeliveryState:
        """How the delivery stands now."""
        self._raise_bug()
        pending, refused = self._outbox.pending, self._outbox.refused
        with self._turn:
            return DeliveryState(
                pending=pending,
                refused=refused,
                away_since=self._away_since,
                reason=self._reason,
                disk_is_full=self._disk_is_full,
            )

    def close(self) -> None:
        """End the thread after the request it is at; what is left stays on disk.

        A request that takes longer than that is left behind. May be called again.
        """
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)
        self._settings.close()

    def __enter__(self) -> Delivery:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _raise_bug(self) -> None:
        if self._bug is not None:
            raise self._bug

    def _work(self) -> None:
        try:
            while not self._stopping:
                flushes = self._flushes
                self._note(self._round(), flushes=flushes)
                self._rest()
        except BaseException as exc:
            self._bug = exc
        finally:
            with self._turn:
                self._turn.notify_all()

    def _rest(self) -> None:
        """Wait until the next round is due, or somebody is in a hurry."""
        with self._turn:
            self._turn.notify_all()
            pause = _REST_SECONDS
            if self._failures:
                pause = min(
                    _FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), _LONGEST_PAUSE_SECONDS
                )
            self._turn.wait_for(lambda: self._hurried or self._stopping, timeout=pause)
            self._hurried = False

    def _note(self, obstacle: Obstacle | None, *, flushes: int) -> None:
        """Remember how a round went that began after so many flushes."""
        with self._turn:
            self._store_is_away = obstacle is not None and obstacle.kind == "away"
            if obstacle is None:
                self._forget_obstacles()
                return
            # More would change nothing but the size of the number.
            self._failures = min(self._failures + 1, 10)
            self._away_since = self._away_since or time.time()
            self._reason = obstacle.reason
            # Whoever has flushed since may have made room: the next round tells.
            self._disk_is_full = obstacle.disk_is_full and flushes == self._flushes

    def _note_arrival(self) -> None:
        """A store that was away has taken something: nobody need wait until it has everything."""
        with self._turn:
            if self._store_is_away:
                self._store_is_away = False
                self._forget_obstacles()

    def _forget_obstacles(self) -> None:
        self._failures, self._away_since, self._reason = 0, None, None
        self._disk_is_full = False

    def _round(self) -> Obstacle | None:
        """Deliver what can be delivered; the last thing that stood in the way, if anything did."""
        met: Obstacle | None = None
        for run_id in self._outbox.waiting_runs():
            obstacle = self._deliver_run(run_id)
            met = obstacle or met
            if self._stopping or (obstacle is not None and obstacle.kind == "away"):
                break
        return met

    def _deliver_run(self, run_id: str) -> Obstacle | None:
        """Deliver the entries of a run in order, as far as that goes."""
        while not self._stopping:
            entries = sent_together(self._outbox.next_entries(run_id, _ENTRIES_AT_ONCE))
            if not entries:
                return None
            obstacle = self._deliver(entries)
            if obstacle is not None:
                return obstacle
        return None

    def _deliver(self, entries: Sequence[Entry]) -> Obstacle | None:
        """Deliver entries, and note that they were; those that are refused count as delivered."""
        obstacle = self._send(entries)
        if obstacle is not None and obstacle.kind != "refused":
            return obstacle
        if obstacle is not None and len(entries) > 1:
            # Which of them is to blame only shows alone; the others are to arrive.
            return next((found for entry in entries if (found := self._deliver([entry]))), None)
        try:
            if obstacle is None:
                self._outbox.settle(entries)
            else:
                self._outbox.refuse(entries[0], obstacle.reason)
        except DiskFullError as exc:
            return obstacle_of(exc)
        self._note_arrival()
        return None

    def _send(self, entries: Sequence[Entry]) -> Obstacle | None:
        try:
            self._sender.send(entries)
        except Exception as exc:
            obstacle = obstacle_of(exc)
            if obstacle is None:
                raise
            return obstacle
        return None
