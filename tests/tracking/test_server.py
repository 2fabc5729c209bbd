"""The same runs through a real ``mlflow server``: here, there, away, and back."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finesweep.data import DatasetIdentity
from finesweep.errors import TrackingError
from finesweep.tracking import Delivery, Outbox, SweepRun
from finesweep.tracking.artifacts import fetch_folder
from finesweep.tracking.obstacles import passing_obstacle
from finesweep.training import Hyperparameters, Tick

pytestmark = pytest.mark.slow

Server = Callable[..., Any]


def test_a_sweep_on_a_server(
    server: Server,
    outbox: Outbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    hyperparameters: Hyperparameters,
    dataset: DatasetIdentity,
) -> None:
    running = server("--artifacts-destination", str(tmp_path / "kept"))
    store = running.opened(monkeypatch)
    assert (store.uri, store.root, store.artifact_root) == (running.url, None, None)
    sweep = SweepRun.start(
        store,
        experiment="e",
        name="s",
        study_key="key of s",
        config_yaml="a: 1\n",
        params={},
        dataset=dataset,
    )
    trials = [sweep.start_trial(number, hyperparameters, outbox=outbox) for number in range(2)]
    for trial in trials:
        packaged = tmp_path / "packaged"
        (packaged / "checkpoint").mkdir(parents=True)
        (packaged / "MLmodel").write_text("flavors: {}\n")
        (packaged / "checkpoint" / "config.json").write_text("{}")
        trial.log_model(packaged)
        trial.end("FINISHED", ending="completed")
    trials[1].remove_model("not among the best 1")
    with Delivery(outbox, store) as delivery:
        assert delivery.flush(60), delivery.state
        assert delivery.state.refused == 0, outbox.refusals()
    assert list(outbox.models.iterdir()) == []
    assert {run.trial: run.run_id for run in sweep.trial_runs()} == {
        0: trials[0].run_id,
        1: trials[1].run_id,
    }
    files = store.client.list_artifacts(trials[0].run_id, "model")
    assert [file.path for file in files] == ["model/MLmodel", "model/checkpoint"]
    assert store.client.list_artifacts(trials[1].run_id, "model") == []
    assert len(list((tmp_path / "kept").rglob("MLmodel"))) == 1

    def fetched(path: str) -> Path:
        return fetch_folder(store, trials[0].run_id, path, into=tmp_path / "fetched")

    assert (fetched("model/checkpoint") / "config.json").read_text() == "{}"
    with pytest.raises(TrackingError, match="cannot fetch 'model/other'") as gone:
        fetched("model/other")
    assert passing_obstacle(gone.value) is None
    running.end(signal.SIGKILL)
    # Refused, or reset: a connection may have been kept open.
    with pytest.raises(TrackingError, match="cannot fetch 'model/checkpoint'") as away:
        fetched("model/checkpoint")
    assert passing_obstacle(away.value) is not None
    assert capfd.readouterr() == ("", "")


def test_a_server_that_goes_away_while_ticks_flow(
    server: Server,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    hyperparameters: Hyperparameters,
    dataset: DatasetIdentity,
    tick: Callable[[int], Tick],
) -> None:
    running = server()
    store = running.opened(monkeypatch)
    sweep = SweepRun.start(
        store,
        experiment="e",
        name="s",
        study_key="key of s",
        config_yaml="",
        params={},
        dataset=dataset,
    )
    trials = [sweep.start_trial(number, hyperparameters, outbox=outbox) for number in range(2)]
    enough = threading.Event()
    logged: list[int] = []

    def train() -> None:
        while not enough.is_set():
            logged.append(len(logged) + 1)
            for trial in trials:
                assert trial.log_tick(tick(logged[-1]))
            time.sleep(0.02)

    training = threading.Thread(target=train)
    with Delivery(outbox, store) as delivery:
        training.start()
        time.sleep(2.0)
        running.end(signal.SIGKILL)
        _wait(lambda: delivery.state.away_since is not None)
        before = outbox.pending
        started = time.monotonic()
        with pytest.raises(TrackingError, match="cannot begin the run of trial 2"):
            sweep.start_trial(2, hyperparameters, outbox=outbox)
        assert time.monotonic() - started < 30
        assert not delivery.flush(1.0)
        assert outbox.pending > before
        assert delivery.state.reason
        running.start()
        _wait(lambda: delivery.state.away_since is None)
        enough.set()
        training.join()
        for trial in trials:
            trial.end("FINISHED", ending="completed")
        assert delivery.flush(60), delivery.state
        assert delivery.state.refused == 0, outbox.refusals()
    for trial in trials:
        history = store.client.get_metric_history(trial.run_id, "val/loss")
        assert [point.step for point in history] == logged
        assert store.client.get_run(trial.run_id).info.status == "FINISHED"
    assert capfd.readouterr() == ("", "")


def test_a_point_that_comes_twice_is_one(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hyperparameters: Hyperparameters,
    dataset: DatasetIdentity,
    tick: Callable[..., Tick],
) -> None:
    """The server's answer is lost: everything was taken, and is sent again."""
    store = server().opened(monkeypatch)
    sweep = SweepRun.start(
        store,
        experiment="e",
        name="s",
        study_key="key of s",
        config_yaml="",
        params={},
        dataset=dataset,
    )
    deaf = replace(store, client=_Deaf(store.client))
    with Outbox.open(tmp_path / "twice.db") as outbox:
        trial = sweep.start_trial(0, hyperparameters, outbox=outbox)
        for number in range(1, 21):
            trial.log_tick(tick(number, nan=float("nan"), inf=float("inf")))
        trial.set_tags({"a": "b"})
        with Delivery(outbox, deaf) as delivery:
            assert delivery.flush(30), delivery.state
        assert outbox.refused == 0, outbox.refusals()
    for name in ("val/loss", "nan", "inf"):
        history = store.client.get_metric_history(trial.run_id, name)
        assert [point.step for point in history] == list(range(1, 21))


class _Deaf:
    """A client whose every second answer is lost on the way."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def heard(*args: Any, **options: Any) -> Any:
            answer = call(*args, **options)
            self._calls += 1
            if self._calls % 2:
                raise ConnectionResetError(104, "Connection reset by peer")
            return answer

        return heard


def test_a_server_whose_artifacts_are_out_of_reach(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "not" / "on" / "this" / "machine"
    options = ("--no-serve-artifacts", "--default-artifact-root", str(elsewhere))
    store = server(*options).opened(monkeypatch)
    with pytest.raises(TrackingError, match="does not exist on this machine; start the server"):
        store.experiment_id("e")
    assert not elsewhere.exists()


def _wait(until: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.1)
