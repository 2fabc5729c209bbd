from __future__ import annotations

import errno
import math
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finesweep.tracking import Delivery, Outbox, TrackingStore, TrialRun
from finesweep.tracking.entries import Entry
from finesweep.tracking.sending import Sender
from finesweep.training import Tick

Begin = Callable[[int], TrialRun]
MakeTick = Callable[..., Tick]


def _packaged(folder: Path, content: str = "weights") -> Path:
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "checkpoint" / "weights").write_text(content)
    return folder


def _model(store: TrackingStore, run_id: str) -> Path:
    return Path(store.client.get_run(run_id).info.artifact_uri) / "model"


def _steps(store: TrackingStore, run_id: str, metric: str = "val/loss") -> list[int]:
    return [point.step for point in store.client.get_metric_history(run_id, metric)]


def _wait(until: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _everything(trial: TrialRun, folder: Path, tick: MakeTick) -> None:
    """One of each kind of entry."""
    for number in range(1, 9):
        trial.log_tick(tick(number, nan=math.nan, inf=math.inf))
    trial.set_tags({"finesweep.precision": "float32"})
    trial.log_model(_packaged(folder))
    trial.log_text("Traceback …\n", "traceback.txt")
    trial.end("KILLED", ending="interrupted", reason="interrupted by the user")
    trial.reopen()
    trial.log_tick(tick(9))
    trial.log_metrics({"test/accuracy": 0.75})
    trial.end("FINISHED", ending="completed")


def _on_record(store: TrackingStore, run_id: str) -> dict[str, Any]:
    """All that a store says of a run."""
    run = store.client.get_run(run_id)
    files = {
        str(file.relative_to(run.info.artifact_uri)): file.read_text()
        for file in Path(run.info.artifact_uri).rglob("*")
        if file.is_file()
    }
    histories = {
        name: [
            (point.step, point.timestamp, repr(point.value))
            for point in store.client.get_metric_history(run_id, name)
        ]
        for name in run.data.metrics
    }
    return {
        "status": run.info.status,
        "end": run.info.end_time,
        "tags": run.data.tags,
        "params": run.data.params,
        "latest": {name: repr(value) for name, value in run.data.metrics.items()},
        "histories": histories,
        "files": files,
    }


def test_everything_arrives(
    store: TrackingStore,
    begin: Begin,
    outbox: Outbox,
    tmp_path: Path,
    tick: MakeTick,
    deliver: Callable[[], None],
) -> None:
    trial = begin(0)
    _everything(trial, tmp_path / "packaged", tick)
    inode = next(outbox.models.rglob("weights")).stat().st_ino
    deliver()
    found = _on_record(store, trial.run_id)
    assert found["status"] == "FINISHED"
    assert found["tags"]["finesweep.ending"] == "completed"
    assert found["tags"]["finesweep.precision"] == "float32"
    assert [step for step, _, _ in found["histories"]["val/loss"]] == list(range(1, 10))
    assert [step for step, _, _ in found["histories"]["test/accuracy"]] == [9]
    assert set(found["files"]) == {"model/MLmodel", "model/checkpoint/weights", "traceback.txt"}
    weights = _model(store, trial.run_id) / "checkpoint" / "weights"
    assert weights.stat().st_ino == inode  # moved, never copied
    assert outbox.pending == 0
    assert list(outbox.models.iterdir()) == []


def test_delivered_twice_is_delivered_once(
    store: TrackingStore, begin: Begin, outbox: Outbox, tmp_path: Path, tick: MakeTick
) -> None:
    """Killed after every delivery and before its note: all comes again."""
    trial = begin(0)
    _everything(trial, tmp_path / "packaged", tick)
    again = tmp_path / "again" / "outbox.db"
    again.parent.mkdir()
    with sqlite3.connect(tmp_path / "work" / "outbox.db") as now, sqlite3.connect(again) as copy:
        now.backup(copy)
    with Delivery(outbox, store) as delivery:
        assert delivery.flush(30)
    before = _on_record(store, trial.run_id)
    with Outbox.open(again) as copied, Delivery(copied, store) as delivery:
        assert copied.pending > 10
        assert delivery.flush(30)
        assert delivery.state.refused == 0, copied.refusals()
    assert _on_record(store, trial.run_id) == before


def test_consecutive_metrics_go_in_one_request(
    store: TrackingStore, begin: Begin, outbox: Outbox, tick: MakeTick
) -> None:
    sizes: list[int] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(store.client, name)

        def log_batch(self, run_id: str, **values: Any) -> None:
            sizes.append(len(values.get("metrics", ())))
            store.client.log_batch(run_id, **values)

    trial = begin(0)
    for number in range(1, 401):
        trial.log_tick(tick(number))
    with Delivery(outbox, replace(store, client=Counting())) as delivery:
        assert delivery.flush(30)
    assert sum(sizes) == 4 * 400
    assert max(sizes) <= 1000
    assert len(sizes) <= 4  # the hyperparameters are one of them
    assert _steps(store, trial.run_id) == list(range(1, 401))


class _Requests:
    """A client that notes what it is asked for."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        return getattr(self._client, name)


def test_a_whole_trial_goes_in_two_requests(
    store: TrackingStore, begin: Begin, outbox: Outbox, tick: MakeTick
) -> None:
    requests = _Requests(store.client)
    trial = begin(0)
    for number in range(1, 5):
        trial.log_tick(tick(number))
    trial.set_tags({"finesweep.checkpoint": "soon", "finesweep.precision": "float32"})
    trial.set_tags({"finesweep.checkpoint": "not kept"})
    trial.end("FINISHED", ending="completed")
    with Delivery(outbox, replace(store, client=requests)) as delivery:
        assert delivery.flush(30)
    assert requests.names == ["log_batch", "set_terminated"]
    run = store.client.get_run(trial.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["finesweep.ending"] == "completed"
    assert run.data.tags["finesweep.checkpoint"] == "not kept"  # the newest
    assert run.data.tags["finesweep.precision"] == "float32"
    assert run.data.params
    assert _steps(store, trial.run_id) == [1, 2, 3, 4]


@pytest.mark.parametrize("by_the_same_delivery", [True, False])
def test_an_end_without_a_reason_leaves_none(
    by_the_same_delivery: bool, store: TrackingStore, begin: Begin, outbox: Outbox
) -> None:
    trial = begin(0)
    with Delivery(outbox, store) as delivery:
        trial.end("KILLED", ending="pruned", reason="worse than the others")
        assert delivery.flush(30)
        assert "finesweep.reason" in store.client.get_run(trial.run_id).data.tags
        if by_the_same_delivery:
            trial.end("FINISHED", ending="completed")
            assert delivery.flush(30)
    if not by_the_same_delivery:
        with Delivery(outbox, store) as delivery:
            trial.end("FINISHED", ending="completed")
            assert delivery.flush(30)
    assert "finesweep.reason" not in store.client.get_run(trial.run_id).data.tags


def test_many_tags_are_more_than_one_request_takes(
    store: TrackingStore, begin: Begin, outbox: Outbox
) -> None:
    trial = begin(0)
    for number in range(130):
        trial.set_tags({f"tag-{number}": str(number)})
    trial.set_tags({f"more-{number}": str(number) for number in range(130)})
    trial.end("FINISHED", ending="completed")
    with Delivery(outbox, store) as delivery:
        assert delivery.flush(30)
        assert delivery.state.refused == 0
    tags = store.client.get_run(trial.run_id).data.tags
    assert all(tags[f"tag-{number}"] == str(number) for number in range(130))
    assert all(tags[f"more-{number}"] == str(number) for number in range(130))


_KILLED = """
import os, signal, sys
from pathlib import Path
from finesweep.tracking import Delivery, Outbox, TrackingStore

def settle(self, entries):
    # The store has taken them; nobody has noted it.
    os.kill(os.getpid(), signal.SIGKILL)

Outbox.settle = settle
store = TrackingStore.open(root=Path(sys.argv[2]))
with Outbox.open(Path(sys.argv[1])) as outbox, Delivery(outbox, store) as delivery:
    delivery.flush(30)
"""


def test_killed_in_the_middle_of_a_delivery(
    store: TrackingStore,
    begin: Begin,
    outbox: Outbox,
    tmp_path: Path,
    tick: MakeTick,
    deliver: Callable[[], None],
) -> None:
    trial = begin(0)
    outbox.settle(outbox.next_entries(trial.run_id, 1))  # the hyperparameters
    for number in range(1, 101):
        trial.log_tick(tick(number))
    file = str(tmp_path / "work" / "outbox.db")
    done = subprocess.run([sys.executable, "-c", _KILLED, file, str(store.root)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert outbox.pending == 100
    assert _steps(store, trial.run_id) == list(range(1, 101))
    deliver()
    assert _steps(store, trial.run_id) == list(range(1, 101))


@pytest.mark.parametrize(
    ("seconds", "is_seen"), [(2.0, False), pytest.param(27.0, True, marks=pytest.mark.slow)]
)
def test_a_locked_database(
    seconds: float,
    is_seen: bool,
    store: TrackingStore,
    begin: Begin,
    outbox: Outbox,
    tick: MakeTick,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """MLflow itself waits for 20 seconds; then the store counts as away."""
    trial = begin(0)
    assert store.root is not None
    holder = sqlite3.connect(store.root / "mlflow.db", isolation_level=None)
    holder.execute("begin exclusive")
    seen: list[str] = []
    with Delivery(outbox, store) as delivery:
        until = time.monotonic() + seconds
        for number in range(1, 11):
            trial.log_tick(tick(number))
        while time.monotonic() < until:
            if delivery.state.away_since is not None:
                seen.append(delivery.state.reason or "")
            time.sleep(0.1)
        holder.execute("rollback")
        assert delivery.flush(30), delivery.state
        assert (delivery.state.away_since, delivery.state.refused) == (None, 0)
    holder.close()
    assert _steps(store, trial.run_id) == list(range(1, 11))
    assert any("database is locked" in reason for reason in seen) == is_seen
    assert capfd.readouterr() == ("", "")


def test_a_store_that_takes_one_entry_is_back(
    store: TrackingStore,
    begin: Begin,
    outbox: Outbox,
    tick: MakeTick,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Much has gathered, and it is slow: no trial waits with its start until it has everything."""
    trials = [begin(number) for number in range(2)]
    send = Sender.send
    is_back, may_go_on = threading.Event(), threading.Event()
    taken: list[str] = []

    def sent(sender: Sender, entries: Sequence[Entry]) -> None:
        if not is_back.is_set():
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        assert not taken or may_go_on.wait(60)
        send(sender, entries)
        taken.append(entries[0].run_id)

    monkeypatch.setattr(Sender, "send", sent)
    with Delivery(outbox, store) as delivery:
        _wait(lambda: delivery.state.away_since is not None)
        is_back.set()
        _wait(lambda: delivery.state.away_since is None)
        state = delivery.state
        assert (state.reason, taken) == (None, [trials[0].run_id])
        assert state.pending > 0
        may_go_on.set()
        assert delivery.flush(60), delivery.state
    assert outbox.refused == 0, outbox.refusals()


def test_a_deleted_run_does_not_hold_up_the_others(
    store: TrackingStore, begin: Begin, outbox: Outbox, tick: MakeTick
) -> None:
    trials = [begin(number) for number in range(3)]
    store.client.delete_run(trials[1].run_id)
    for number in (1, 2):
        for trial in trials:
            trial.log_tick(tick(number))
    with Delivery(outbox, store) as delivery:
        assert delivery.flush(30)
        assert delivery.state.refused == 3
    assert {refusal.run_id for refusal in outbox.refusals()} == {trials[1].run_id}
    assert "must be in the 'active' state" in outbox.refusals()[0].reason
    assert [_steps(store, trials[number].run_id) for number in (0, 2)] == [[1, 2], [1, 2]]


def test_one_bad_entry_does_not_take_its_neighbours_with_it(
    store: TrackingStore, begin: Begin, outbox: Outbox, tick: MakeTick
) -> None:
    trial = begin(0)
    trial.log_tick(tick(1))
    trial.log_tick(tick(2, **{"bad\nname": 1.0}))
    trial.log_tick(tick(3))
    with Delivery(outbox, store) as delivery:
        assert delivery.flush(30)
        assert delivery.state.refused == 1
    assert "Invalid value" in outbox.refusals()[0].reason
    assert _steps(store, trial.run_id) == [1, 3]


def test_a_run_in_trouble_waits_alone(
    store: TrackingStore, begin: Begin, outbox: Outbox, tmp_path: Path, tick: MakeTick
) -> None:
    trials = [begin(number) for number in range(2)]
    in_the_way = _model(store, trials[0].run_id).parent
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where the folder should be")
    trials[0].log_model(_packaged(tmp_path / "packaged"))
    for trial in trials:
        trial.log_tick(tick(1))
    with Delivery(outbox, store) as delivery:
        assert not delivery.flush(1.0)
        state = delivery.state
        assert (state.pending, state.refused) == (2, 0)
        assert state.away_since is not None
        assert abs(state.away_since - time.time()) < 5
        assert "File exists" in (state.reason or "") or "Not a directory" in (state.reason or "")
        trials[1].log_tick(tick(2))
        assert not delivery.flush(1.5)
        assert _steps(store, trials[1].run_id) == [1, 2]
        in_the_way.unlink()
        assert delivery.flush(30)
        assert delivery.state.away_since is None
    assert _steps(store, trials[0].run_id) == [1]
    assert (_model(store, trials[0].run_id) / "MLmodel").is_file()


def test_a_model_logged_again_replaces_the_first(
    store: TrackingStore, begin: Begin, tmp_path: Path, deliver: Callable[[], None]
) -> None:
    trial = begin(0)
    trial.log_model(_packaged(tmp_path / "packaged", "first"))
    trial.log_model(_packaged(tmp_path / "packaged", "second"))
    deliver()
    weights = _model(store, trial.run_id) / "checkpoint" / "weights"
    assert weights.read_text() == "second"


def test_a_model_that_somebody_removed_is_told(
    store: TrackingStore, begin: Begin, outbox: Outbox, tmp_path: Path, tick: MakeTick
) -> None:
    trial = begin(0)
    trial.log_model(_packaged(tmp_path / "packaged"))
    trial.log_tick(tick(1))
    shutil.rmtree(outbox.models)
    with Delivery(outbox, store) as delivery:
        assert delivery.flush(30)
    (refusal,) = outbox.refusals()
    assert "which is gone; somebody removed it" in refusal.reason
    assert _steps(store, trial.run_id) == [1]


def test_a_model_goes_and_the_run_says_why(
    store: TrackingStore, begin: Begin, tmp_path: Path, deliver: Callable[[], None]
) -> None:
    trials = [begin(number) for number in range(2)]
    for trial in trials:
        trial.log_model(_packaged(tmp_path / "packaged"))
    trials[0].remove_model("not among the best 5")  # before it was delivered
    deliver()
    assert not _model(store, trials[0].run_id).exists()
    tags = store.client.get_run(trials[0].run_id).data.tags
    assert tags["finesweep.checkpoint"] == "removed: not among the best 5"
    assert _model(store, trials[1].run_id).is_dir()
    trials[1].remove_model("not among the best 5")  # after
    deliver()
    assert list(_model(store, trials[1].run_id).parent.iterdir()) == []


def test_a_registered_model_stays(
    store: TrackingStore, begin: Begin, tmp_path: Path, deliver: Callable[[], None]
) -> None:
    trial = begin(0)
    trial.log_model(_packaged(tmp_path / "packaged"))
    deliver()
    source = str(_model(store, trial.run_id))
    store.client.create_registered_model("headlines")
    store.client.create_model_version("headlines", source=source, run_id=trial.run_id)
    trial.remove_model("not among the best 5")
    deliver()
    assert (_model(store, trial.run_id) / "MLmodel").is_file()
    tags = store.client.get_run(trial.run_id).data.tags
    assert tags["finesweep.checkpoint"].startswith("kept, as version 1 of headlines is made of it")


def test_it_delivers_unasked(
    store: TrackingStore, begin: Begin, outbox: Outbox, tick: MakeTick
) -> None:
    with Delivery(outbox, store) as delivery:
        trial = begin(0)
        trial.log_tick(tick(1))
        _wait(lambda: delivery.state.pending == 0)
    assert _steps(store, trial.run_id) == [1]


def test_what_is_left_stays_on_disk(
    store: TrackingStore, begin: Begin, tmp_path: Path, outbox: Outbox, tick: MakeTick
) -> None:
    delivery = Delivery(outbox, store)
    delivery.start()
    delivery.close()
    delivery.close()
    trial = begin(0)
    trial.log_tick(tick(1))
    assert not delivery.flush(10)
    assert delivery.state.pending == 2
    outbox.close()
    with Outbox.open(tmp_path / "work" / "outbox.db") as again, Delivery(again, store) as delivery:
        assert delivery.flush(30)
    assert _steps(store, trial.run_id) == [1]


def test_a_bug_is_not_hidden(store: TrackingStore, begin: Begin, outbox: Outbox) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise KeyError(name)

    begin(0)
    with Delivery(outbox, replace(store, client=Broken())) as delivery:
        with pytest.raises(KeyError, match="log_batch"):
            delivery.flush(10)
        with pytest.raises(KeyError, match="log_batch"):
            _ = delivery.state
    assert outbox.pending == 1


def test_ticks_of_several_threads_while_it_delivers(
    store: TrackingStore, begin: Begin, outbox: Outbox, tick: MakeTick
) -> None:
    trials = [begin(number) for number in range(3)]

    def train(trial: TrialRun) -> None:
        for number in range(1, 61):
            trial.log_tick(tick(number))
            time.sleep(0.01)

    with Delivery(outbox, store) as delivery:
        threads = [threading.Thread(target=train, args=(trial,)) for trial in trials]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert delivery.flush(30)
    for trial in trials:
        assert _steps(store, trial.run_id) == list(range(1, 61))


def test_a_full_disk_of_this_machine_is_not_waited_for(
    store: TrackingStore,
    begin: Begin,
    outbox: Outbox,
    tick: MakeTick,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = begin(0)

    def send(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Delivery(outbox, store) as delivery:
        with monkeypatch.context() as patch:
            patch.setattr("finesweep.tracking.sending.Sender.send", send)
            trial.log_tick(tick(1))
            started = time.monotonic()
            assert not delivery.flush(60)
            assert time.monotonic() - started < 30
            full = delivery.state
        assert delivery.flush(60)
        free = delivery.state
    assert (full.disk_is_full, full.reason) == (True, "no space is left on the disk")
    assert (free.disk_is_full, free.reason) == (False, None)
    assert _steps(store, trial.run_id) == [1]
