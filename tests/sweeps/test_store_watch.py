from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sweep_bench import RecordingObserver

from finesweep.errors import FinesweepError, RegistryError, TrackingError
from finesweep.sweeps import store_watch
from finesweep.sweeps.news import StoreNews
from finesweep.sweeps.store_watch import StoreWatch, patiently
from finesweep.tracking import Delivery, Outbox, TrackingStore


def away(kind: type[FinesweepError] = TrackingError) -> FinesweepError:
    error = kind("cannot do it")
    error.__cause__ = ConnectionError("Connection refused")
    return error


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_watch, "RETRY_SECONDS", 0.01)


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver()


@pytest.fixture
def news(observer: RecordingObserver, tmp_path: Path, store: TrackingStore) -> Iterator[StoreNews]:
    """Those of a delivery that has nothing to do, and so notices nothing."""
    with Outbox.open(tmp_path / "outbox.db") as outbox, Delivery(outbox, store) as delivery:
        yield StoreNews(delivery, observer)


@pytest.mark.parametrize("kind", [TrackingError, RegistryError])
def test_what_fails_while_the_store_is_away_is_done_again(
    kind: type[FinesweepError], news: StoreNews, observer: RecordingObserver
) -> None:
    failures = iter([away(kind), away(kind)])

    def act() -> str:
        for error in failures:
            raise error
        return "done"

    assert patiently(act, patience=60, news=news) == "done"
    assert [state.reason for state in observer.tracking] == ["Connection refused", None]


def test_patience_ends(news: StoreNews, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100))
    monkeypatch.setattr(store_watch, "monotonic", lambda: float(next(now)))
    attempts = []

    def act() -> None:
        attempts.append(1)
        raise away()

    with pytest.raises(TrackingError, match="cannot do it"):
        patiently(act, patience=3, news=news)
    assert len(attempts) == 4


def test_a_refusal_is_not_waited_for(news: StoreNews) -> None:
    def act() -> None:
        raise RegistryError("the run has no model")

    with pytest.raises(RegistryError, match="has no model"):
        patiently(act, patience=60, news=news)


def test_a_store_that_is_away_is_waited_for_while_anything_runs() -> None:
    watch = StoreWatch(patience=0)
    watch.is_gone(away(), anything_runs=True)
    assert watch.is_away
    assert watch.reason == "Connection refused"
    assert not watch.may_be_asked
    with pytest.raises(TrackingError):
        watch.is_gone(away(), anything_runs=False)
    watch.is_there()
    assert watch.may_be_asked
