"""The same runs through a real ``mlflow server``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from finesweep.data import DatasetIdentity
from finesweep.errors import TrackingError
from finesweep.tracking import SweepRun, TrackingStore
from finesweep.tracking.mlflow_access import quiet_environment
from finesweep.training import Hyperparameters

pytestmark = pytest.mark.slow


@contextmanager
def _server(database: Path, *options: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    argv = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    process = subprocess.Popen(
        [*argv, "--backend-store-uri", f"sqlite:///{database}", *options],
        env={**quiet_environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def _opened(url: str, monkeypatch: pytest.MonkeyPatch) -> TrackingStore:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    deadline = time.monotonic() + 90
    while True:
        try:
            return TrackingStore.open()
        except TrackingError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_a_sweep_on_a_server(
    fresh_database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    hyperparameters: Hyperparameters,
    dataset: DatasetIdentity,
) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(fresh_database.read_bytes())
    with _server(database, "--artifacts-destination", str(tmp_path / "kept")) as url:
        store = _opened(url, monkeypatch)
        assert (store.uri, store.root, store.artifact_root) == (url, None, None)
        sweep = SweepRun.start(
            store, experiment="e", name="s", config_yaml="a: 1\n", params={}, dataset=dataset
        )
        trial = sweep.start_trial(0, hyperparameters)
        packaged = tmp_path / "packaged"
        packaged.mkdir()
        (packaged / "MLmodel").write_text("flavors: {}\n")
        trial.log_model(packaged)
        trial.end("FINISHED")
        assert not packaged.exists()
        assert sweep.trial_run_ids() == {0: trial.run_id}
        files = store.client.list_artifacts(trial.run_id, "model")
        assert [file.path for file in files] == ["model/MLmodel"]
    assert len(list((tmp_path / "kept").rglob("MLmodel"))) == 1
    assert capfd.readouterr() == ("", "")


def test_a_server_whose_artifacts_are_out_of_reach(
    fresh_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(fresh_database.read_bytes())
    elsewhere = tmp_path / "not" / "on" / "this" / "machine"
    options = ("--no-serve-artifacts", "--default-artifact-root", str(elsewhere))
    with _server(database, *options) as url:
        store = _opened(url, monkeypatch)
        with pytest.raises(TrackingError, match="does not exist on this machine; start the server"):
            store.experiment_id("e")
    assert not elsewhere.exists()
