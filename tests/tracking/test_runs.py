from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finesweep.data import DatasetIdentity
from finesweep.errors import TrackingError
from finesweep.tracking import SweepRun, TrackingStore, TrialRun, end_run
from finesweep.training import Hyperparameters, Tick


def _tick(number: int, **metrics: float) -> Tick:
    return Tick(
        number=number,
        epoch=number / 4,
        examples_seen=number * 100,
        seconds=number * 2.0,
        metrics={"train/loss": 0.5, "val/loss": 0.4, **metrics},
        full_validation=False,
    )


def _run(store: TrackingStore, run_id: str) -> Any:
    return store.client.get_run(run_id)


def test_a_sweep_is_on_record(store: TrackingStore, sweep: SweepRun) -> None:
    run = _run(store, sweep.run_id)
    assert run.info.run_name == "headlines-lr"
    assert run.info.status == "RUNNING"
    assert run.data.params == {"sampler": "tpe", "trials": "20"}
    tags = run.data.tags
    assert tags["finesweep.sweep"] == "headlines-lr"
    assert tags["finesweep.note"] == "first"
    assert tags["finesweep.version.mlflow"].startswith("3.")
    assert tags["finesweep.dataset.digest"] == "ab" * 32
    assert tags["mlflow.source.name"] == "finesweep run"
    assert tags["mlflow.user"]
    text = store.client.download_artifacts(sweep.run_id, "sweep.yaml")
    assert Path(text).read_text() == "name: headlines-lr\n"


def test_the_dataset_is_a_logged_input(store: TrackingStore, sweep: SweepRun) -> None:
    (logged,) = _run(store, sweep.run_id).inputs.dataset_inputs
    assert logged.dataset.name == "headlines"
    assert logged.dataset.digest == ("ab" * 32)[:36]
    assert logged.dataset.source == '{"uri": "data/h.json"}'
    assert logged.dataset.profile == '{"num_rows": 1200}'
    assert [(tag.key, tag.value) for tag in logged.tags] == [("mlflow.data.context", "training")]


def test_a_trial_is_a_child_with_a_curve(
    store: TrackingStore, sweep: SweepRun, hyperparameters: Hyperparameters
) -> None:
    trial = sweep.start_trial(7, hyperparameters)
    trial.log_tick(_tick(1))
    trial.log_tick(_tick(2, **{"val/accuracy": 0.75}))
    trial.log_metrics({"val/accuracy": 0.8, "test/accuracy": 0.7})
    trial.end("FINISHED")
    run = _run(store, trial.run_id)
    assert run.info.run_name == "t007"
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == sweep.run_id
    assert run.data.tags["finesweep.trial"] == "7"
    assert run.data.params == {
        "learning_rate": "5e-05",
        "batch_size": "16",
        "epochs": "3",
        "max_length": "64",
    }
    history = store.client.get_metric_history(trial.run_id, "val/loss")
    assert [point.step for point in history] == [1, 2]
    # what the table of runs shows is what was logged last
    assert run.data.metrics["val/accuracy"] == 0.8
    assert run.data.metrics["epoch"] == 0.5
    assert "finesweep.reason" not in run.data.tags


def test_a_trial_costs_few_requests(
    store: TrackingStore,
    sweep: SweepRun,
    hyperparameters: Hyperparameters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """About 35 ms on SQLite; through a server each request counts."""
    calls: list[str] = []

    def counting(name: str) -> Callable[..., Any]:
        original = getattr(store.client, name)

        def counted(*args: Any, **options: Any) -> Any:
            calls.append(name)
            return original(*args, **options)

        return counted

    for name in ("create_run", "log_batch", "log_param", "log_metric", "set_tag", "get_run"):
        monkeypatch.setattr(store.client, name, counting(name))
    trial = sweep.start_trial(0, hyperparameters)
    assert calls == ["create_run", "log_batch"]
    trial.log_tick(_tick(1))
    trial.end("FINISHED")
    assert calls[2:] == ["log_batch"]


def test_values_that_are_no_numbers_are_kept(
    store: TrackingStore, sweep: SweepRun, hyperparameters: Hyperparameters
) -> None:
    trial = sweep.start_trial(0, hyperparameters)
    trial.log_tick(_tick(1, **{"val/loss": math.nan, "train/loss": math.inf}))
    assert math.isnan(_run(store, trial.run_id).data.metrics["val/loss"])


@pytest.mark.parametrize("status", ["KILLED", "FAILED"])
def test_the_reason_of_an_end_is_a_tag(
    status: Any, store: TrackingStore, sweep: SweepRun, hyperparameters: Hyperparameters
) -> None:
    trial = sweep.start_trial(0, hyperparameters)
    trial.end(status, reason="x" * 9000)
    run = _run(store, trial.run_id)
    assert run.info.status == status
    assert len(run.data.tags["finesweep.reason"]) == 5000
    assert run.data.tags["finesweep.reason"].endswith("x…")


def test_more_tags_than_one_request_takes(store: TrackingStore, sweep: SweepRun) -> None:
    sweep.set_tags({f"tag{number}": str(number) for number in range(250)})
    assert _run(store, sweep.run_id).data.tags["tag249"] == "249"


def test_trial_run_ids(sweep: SweepRun, hyperparameters: Hyperparameters) -> None:
    assert sweep.trial_run_ids() == {}
    runs = {number: sweep.start_trial(number, hyperparameters).run_id for number in range(3)}
    time.sleep(0.002)  # MLflow counts starts in milliseconds
    runs[1] = sweep.start_trial(1, hyperparameters).run_id
    assert sweep.trial_run_ids() == runs


def test_trials_of_another_sweep_are_not_ours(
    store: TrackingStore,
    sweep: SweepRun,
    hyperparameters: Hyperparameters,
    dataset: DatasetIdentity,
) -> None:
    other = SweepRun.start(
        store, experiment="headlines", name="o", config_yaml="", params={}, dataset=dataset
    )
    other.start_trial(0, hyperparameters)
    assert sweep.trial_run_ids() == {}


def test_a_sweep_is_continued(
    store: TrackingStore, sweep: SweepRun, hyperparameters: Hyperparameters
) -> None:
    trial = sweep.start_trial(0, hyperparameters)
    sweep.end("KILLED", reason="interrupted")
    again = SweepRun.resume(store, sweep.run_id)
    run = _run(store, sweep.run_id)
    assert run.info.status == "RUNNING"
    assert "finesweep.reason" not in run.data.tags
    assert again.experiment_id == sweep.experiment_id
    assert again.name == "headlines-lr"
    assert again.trial_run_ids() == {0: trial.run_id}


def test_what_cannot_be_continued(
    store: TrackingStore, sweep: SweepRun, hyperparameters: Hyperparameters
) -> None:
    with pytest.raises(TrackingError, match="sweep's run nope.*MLFLOW_TRACKING_URI"):
        SweepRun.resume(store, "nope")
    store.client.delete_run(sweep.run_id)
    with pytest.raises(TrackingError, match="was deleted; restore it with 'mlflow runs restore"):
        SweepRun.resume(store, sweep.run_id)


def test_a_single_training_has_no_parent(
    store: TrackingStore, hyperparameters: Hyperparameters, dataset: DatasetIdentity
) -> None:
    run = TrialRun.start(
        store,
        experiment="headlines",
        name="once",
        hyperparameters=hyperparameters,
        dataset=dataset,
        config_yaml="a: 1\n",
    )
    recorded = _run(store, run.run_id)
    assert "mlflow.parentRunId" not in recorded.data.tags
    assert recorded.data.tags["finesweep.version.numpy"]
    assert recorded.inputs.dataset_inputs
    with pytest.raises(TrackingError, match="is not the run of a sweep"):
        SweepRun.resume(store, run.run_id)


def test_an_orphan_is_reaped(
    store: TrackingStore, sweep: SweepRun, hyperparameters: Hyperparameters
) -> None:
    trial = sweep.start_trial(0, hyperparameters)
    end_run(store, trial.run_id, "FAILED", reason="its worker died")
    assert _run(store, trial.run_id).info.status == "FAILED"
    with pytest.raises(TrackingError, match="cannot end the run nope as FAILED"):
        end_run(store, "nope", "FAILED", reason=None)


def test_a_model_is_moved_into_the_run(
    store: TrackingStore, sweep: SweepRun, hyperparameters: Hyperparameters, tmp_path: Path
) -> None:
    trial = sweep.start_trial(0, hyperparameters)
    for content in ("first", "second"):
        packaged = tmp_path / "packaged"
        packaged.mkdir()
        (packaged / "MLmodel").write_text("flavors: {}\n")
        (packaged / "weights").write_text(content)
        inode = (packaged / "weights").stat().st_ino
        trial.log_model(packaged)
        assert not packaged.exists()
    assert {file.path for file in store.client.list_artifacts(trial.run_id)} == {"model"}
    stored = Path(_run(store, trial.run_id).info.artifact_uri) / "model" / "weights"
    assert stored.read_text() == "second"
    assert stored.stat().st_ino == inode


def test_what_is_no_model_is_refused(
    sweep: SweepRun, hyperparameters: Hyperparameters, tmp_path: Path
) -> None:
    trial = sweep.start_trial(0, hyperparameters)
    with pytest.raises(TrackingError, match="is not a packaged model: it has no MLmodel file"):
        trial.log_model(tmp_path)
