from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep_bench import RecordingObserver

from finesweep.errors import DiskFullError, TrackingError
from finesweep.sweeps import deliveries
from finesweep.sweeps.deliveries import deliver
from finesweep.sweeps.news import StoreNews
from finesweep.tracking import Delivery, Outbox, TrackingStore
from finesweep.tracking.entries import Tags


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """One with an entry in it; it is looked at often."""
    monkeypatch.setattr(deliveries, "RETRY_SECONDS", 0.1)
    with Outbox.open(tmp_path / "outbox.db") as outbox:
        outbox.put("a", Tags(values={"x": "y"}))
        yield outbox


def raising(monkeypatch: pytest.MonkeyPatch, *errors: OSError) -> None:
    """Let the store fail so for the first attempts; then it takes everything."""
    coming = iter(errors)

    def send(*_: Any) -> None:
        for error in coming:
            raise error

    monkeypatch.setattr("finesweep.tracking.sending.Sender.send", send)


def test_the_end_waits_for_a_store_that_comes_back_and_says_so(
    outbox: Outbox, store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, *[ConnectionError("Connection refused")] * 3)
    observer = RecordingObserver()
    with Delivery(outbox, store) as delivery:
        news = StoreNews(delivery, observer)
        deliver(delivery, patience=60, look_around=news.tell)
    assert [state.reason for state in observer.tracking] == ["Connection refused", None]
    assert outbox.pending == 0


def test_the_end_waits_no_longer_than_it_is_told(
    outbox: Outbox, store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, *[ConnectionError("Connection refused")] * 100)
    with (
        Delivery(outbox, store) as delivery,
        pytest.raises(TrackingError, match=r"1 records still .* answer \(Connection refused\); no"),
    ):
        deliver(delivery, patience=0.5)
    assert outbox.pending == 1


def test_the_end_does_not_wait_for_a_full_disk(
    outbox: Outbox, store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, *[OSError(errno.ENOSPC, "No space left on device")] * 100)
    with (
        Delivery(outbox, store) as delivery,
        pytest.raises(DiskFullError, match="no space is left on the disk of the tracking store"),
    ):
        deliver(delivery, patience=60)
    assert outbox.pending == 1
