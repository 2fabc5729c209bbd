"""An MLflow experiment as a source: a real store."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from earlier_work import lines, read, sweep

from finesweep.errors import TrackingError
from finesweep.tracking import TrackingStore

URL = "sqlite:////nowhere/optuna.db"


@pytest.fixture
def experiment(store: TrackingStore) -> str:
    name = f"my runs {uuid.uuid4().hex[:6]}"
    store.experiment_id(name)
    return name


def log(
    store: TrackingStore,
    experiment: str,
    status: str = "FINISHED",
    *,
    accuracy: float | None = 0.9,
    tags: dict[str, str] | None = None,
    **params: Any,
) -> str:
    run = store.client.create_run(store.experiment_id(experiment), tags=tags or {})
    run_id = str(run.info.run_id)
    for name, value in params.items():
        store.client.log_param(run_id, name, value)
    if accuracy is not None:
        for step, value in enumerate([0.1, accuracy]):
            store.client.log_metric(run_id, "val/accuracy", value, step=step)
    if status != "RUNNING":
        store.client.set_terminated(run_id, status)
    return run_id


def test_finished_runs_come_in(store: TrackingStore, experiment: str) -> None:
    good: dict[str, Any] = {"learning_rate": "3e-5", "batch_size": 16.0}
    log(store, experiment, **good, optimizer="adam", epochs=2)
    log(store, experiment, **good, accuracy=None)
    log(store, experiment, **{**good, "batch_size": 12})
    log(store, experiment, learning_rate=3e-5)
    log(store, experiment, **good, max_length=128)
    log(store, experiment, "FAILED", **good)
    log(store, experiment, "KILLED", **good)
    log(store, experiment, "RUNNING", **good)
    store.client.delete_run(log(store, experiment, **good))
    warm = read(sweep(warm_start=[f"mlflow:{experiment}"]), URL, store)
    (trial,) = warm.trials
    assert trial.values == {"learning_rate": 3e-5, "batch_size": 16}
    assert type(trial.values["batch_size"]) is int
    assert (trial.value, trial.others["optimizer"]) == (0.9, "adam")
    (line,) = lines(warm)
    assert line == (
        f"1 of 8 trials of the experiment '{experiment}' came in; 1 had no val/accuracy, 1 had a "
        "batch_size that is no choice now, 1 had no batch_size, 1 had a max_length other than the "
        "fixed 64, 1 had failed, 1 had been pruned or stopped, 1 had not ended"
    )


def test_a_run_of_keras_or_of_the_tuner_has_its_metric_by_keras_name(
    store: TrackingStore, experiment: str
) -> None:
    good: dict[str, Any] = {"learning_rate": "3e-5", "batch_size": 16}
    of_the_tuner = log(store, experiment, accuracy=None, **good)
    of_keras = log(store, experiment, accuracy=None, **good)
    for name, value in (("val_accuracy", 0.7), ("best/val_accuracy", 0.8)):
        store.client.log_metric(of_the_tuner, name, value)
    store.client.log_metric(of_keras, "val_accuracy", 0.6)
    warm = read(sweep(warm_start=[f"mlflow:{experiment}"]), URL, store)
    assert [trial.value for trial in warm.trials] == [0.8, 0.6]


def test_the_runs_above_trials_are_none_and_know_the_data(
    store: TrackingStore, experiment: str
) -> None:
    tags = {"finesweep.sweep": "s", "finesweep.dataset.digest": "another"}
    parent = log(store, experiment, tags=tags)
    child = {"mlflow.parentRunId": parent, "finesweep.sweep": "s", "finesweep.trial": "0"}
    log(store, experiment, learning_rate=3e-5, batch_size=8, tags=child)
    log(store, experiment, learning_rate=3e-5, batch_size=8)
    (line,) = lines(read(sweep(warm_start=[f"mlflow:{experiment}"]), URL, store))
    assert line.endswith(
        "2 of 2 trials of the experiment " + f"'{experiment}' came in; "
        "their data are not this sweep's"
    )


def test_an_experiment_that_is_missing_says_which_there_are(
    store: TrackingStore, experiment: str
) -> None:
    with pytest.raises(TrackingError, match="^warm_start 'mlflow:none': there is no experiment "):
        read(sweep(warm_start=["mlflow:none"]), URL, store)
    found = store.client.get_experiment_by_name(experiment)
    store.client.delete_experiment(found.experiment_id)
    with pytest.raises(TrackingError, match="was deleted"):
        read(sweep(warm_start=[f"mlflow:{experiment}"]), URL, store)
