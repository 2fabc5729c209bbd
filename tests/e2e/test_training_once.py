"""``finesweep train``: one run, one JSON object, in whichever store the environment names."""

from __future__ import annotations

import signal

import mlflow
import pytest
from workplace import Workplace, stop_when


@pytest.mark.slow
def test_train_prints_one_json_object_and_honours_the_tracking_uri(workplace: Workplace) -> None:
    uri = f"sqlite:///{workplace.directory.parent / 'elsewhere' / 'mlflow.db'}"
    said = workplace.run(
        "train", "experiment.yaml", "--set", "epochs=1", "--json", MLFLOW_TRACKING_URI=uri
    )
    assert said.code == 0, said.err
    result = said.json
    assert result["val/accuracy"] == result["metrics"]["val/accuracy"]
    assert result["val/loss"] > 0
    assert result["hyperparameters"]["epochs"] == 1
    run = mlflow.MlflowClient(tracking_uri=uri).get_run(result["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/accuracy"] == result["test/accuracy"]
    assert not list(workplace.directory.rglob("mlflow.db"))
    assert not list(workplace.directory.rglob("model.safetensors"))[1:]


@pytest.mark.slow
def test_an_interrupted_training_is_a_killed_run(workplace: Workplace) -> None:
    process = workplace.start("train", "experiment.yaml", "--set", "epochs=500")
    out, err = stop_when(process, lambda line: "tick 5/" in line, signal.SIGINT)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted; the run is marked KILLED"
    assert workplace.left_processes() == []
    store = workplace.directory / "mlruns" / "mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{store}")
    experiment = client.get_experiment_by_name("tiny")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED"
    assert list((workplace.directory / "mlruns" / "work" / "train-tiny").glob("[0-9a-f]*")) == []
