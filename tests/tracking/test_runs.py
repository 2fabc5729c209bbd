from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finesweep.data import DatasetIdentity
from finesweep.errors import TrackingError
from finesweep.tracking import ChildRun, Outbox, SweepRun, TrackingStore, TrialRun, end_run
from finesweep.tracking.artifacts import artifact_uri, fetch_folder
from finesweep.tracking.obstacles import passing_obstacle
from finesweep.training import Hyperparameters, Tick

Begin = Callable[[int], TrialRun]
MakeTick = Callable[..., Tick]


def _run(store: TrackingStore, run_id: str) -> Any:
    return store.client.get_run(run_id)


def run_ids(sweep: SweepRun) -> dict[int, str]:
    """Trial to run; of a trial that has two, the later one."""
    return {run.trial: run.run_id for run in sweep.trial_runs()}


def test_a_sweep_is_on_record(store: TrackingStore, sweep: SweepRun) -> None:
    run = _run(store, sweep.run_id)
    assert run.info.run_name == "headlines-lr"
    assert run.info.status == "RUNNING"
    assert run.data.params == {"sampler": "tpe", "trials": "20"}
    tags = run.data.tags
    assert tags["finesweep.sweep"] == "headlines-lr"
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
    store: TrackingStore,
    sweep: SweepRun,
    begin: Begin,
    deliver: Callable[[], None],
    tick: MakeTick,
) -> None:
    trial = begin(7)
    assert trial.log_tick(tick(1))
    assert trial.log_tick(tick(2, **{"val/accuracy": 0.75}))
    trial.log_metrics({"val/accuracy": 0.8, "test/accuracy": 0.7})
    before = int(time.time() * 1000)
    trial.end("FINISHED", ending="completed")
    after = int(time.time() * 1000)
    time.sleep(0.05)
    deliver()
    run = _run(store, trial.run_id)
    assert run.info.run_name == "t007"
    assert run.info.status == "FINISHED"
    assert before <= run.info.end_time <= after
    assert run.data.tags["mlflow.parentRunId"] == sweep.run_id
    assert run.data.tags["finesweep.trial"] == "7"
    assert run.data.tags["finesweep.ending"] == "completed"
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


def test_a_run_says_whose_it_is_from_the_first_request(
    store: TrackingStore, sweep: SweepRun, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """About 15 ms on SQLite; through a server each request counts, and a kill may come between."""
    calls: list[str] = []

    def counting(name: str) -> Callable[..., Any]:
        original = getattr(store.client, name)

        def counted(*args: Any, **options: Any) -> Any:
            calls.append(name)
            return original(*args, **options)

        return counted

    for name in ("create_run", "log_batch", "log_param", "log_metric", "set_tag", "get_run"):
        monkeypatch.setattr(store.client, name, counting(name))
    begin(0)
    assert calls == ["create_run"]
    (child,) = sweep.trial_runs()
    assert (child.trial, child.status, child.ending) == (0, "RUNNING", None)


def test_values_that_are_no_numbers_are_kept(
    store: TrackingStore, begin: Begin, deliver: Callable[[], None], tick: MakeTick
) -> None:
    trial = begin(0)
    trial.log_tick(tick(1, **{"val/loss": math.nan, "train/loss": math.inf}))
    deliver()
    assert math.isnan(_run(store, trial.run_id).data.metrics["val/loss"])


@pytest.mark.parametrize("status", ["KILLED", "FAILED"])
def test_the_reason_of_an_end_is_a_tag(
    status: Any, store: TrackingStore, begin: Begin, deliver: Callable[[], None]
) -> None:
    trial = begin(0)
    trial.end(status, ending="diverged", reason="x" * 9000)
    deliver()
    run = _run(store, trial.run_id)
    assert run.info.status == status
    assert run.data.tags["finesweep.ending"] == "diverged"
    assert len(run.data.tags["finesweep.reason"]) == 5000
    assert run.data.tags["finesweep.reason"].endswith("x…")


def test_an_end_replaces_the_one_before(
    store: TrackingStore, begin: Begin, deliver: Callable[[], None]
) -> None:
    trial = begin(0)
    trial.end("KILLED", ending="interrupted", reason="interrupted by the user")
    trial.end("FINISHED", ending="completed")
    deliver()
    run = _run(store, trial.run_id)
    assert (run.info.status, run.data.tags["finesweep.ending"]) == ("FINISHED", "completed")
    assert "finesweep.reason" not in run.data.tags


def test_a_trial_goes_on_in_its_run(
    store: TrackingStore,
    sweep: SweepRun,
    begin: Begin,
    outbox: Outbox,
    hyperparameters: Hyperparameters,
    deliver: Callable[[], None],
    tick: MakeTick,
) -> None:
    first = begin(3)
    first.log_tick(tick(1))
    first.log_tick(tick(2))
    first.end("KILLED", ending="preempted", reason="preempted: killed by SIGKILL")
    deliver()
    again = sweep.adopt_trial(3, first.run_id, outbox=outbox, hyperparameters=hyperparameters)
    assert not again.log_tick(tick(2, **{"val/loss": 9.0}))
    assert again.log_tick(tick(3))
    deliver()
    run = _run(store, first.run_id)
    assert run.info.status == "RUNNING"
    assert not {"finesweep.ending", "finesweep.reason"} & set(run.data.tags)
    history = store.client.get_metric_history(first.run_id, "val/loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_hyperparameters_that_a_killed_process_left_out_follow(
    store: TrackingStore,
    sweep: SweepRun,
    hyperparameters: Hyperparameters,
    outbox: Outbox,
    tmp_path: Path,
    deliver: Callable[[], None],
) -> None:
    with Outbox.open(tmp_path / "lost" / "outbox.db") as lost:
        run_id = sweep.start_trial(0, hyperparameters, outbox=lost).run_id
    sweep.adopt_trial(0, run_id, outbox=outbox, hyperparameters=hyperparameters)
    sweep.adopt_trial(0, run_id, outbox=outbox, hyperparameters=hyperparameters)
    deliver()
    assert _run(store, run_id).data.params["learning_rate"] == "5e-05"


def test_a_hyperparameter_may_be_called_anything(
    store: TrackingStore, sweep: SweepRun, outbox: Outbox, deliver: Callable[[], None]
) -> None:
    """MLflow refuses some characters, and names that would be another path; its limit is 250."""
    trial = sweep.start_trial(0, {}, outbox=outbox)
    trial.log_params({"tower/units": 3, "rate [kind=a|b]": 0.5, "größe (x)": True})
    trial.log_params({"/../up": "a", "../..": "b", "x" * 300: "c"})
    deliver()
    assert _run(store, trial.run_id).data.params == {
        "tower/units": "3",
        "rate _kind_a_b_": "0.5",
        "größe _x_": "True",
        "up": "a",
        "_": "b",
        "x" * 250: "c",
    }


def test_more_tags_than_one_request_takes(store: TrackingStore, sweep: SweepRun) -> None:
    sweep.set_tags({f"tag{number}": str(number) for number in range(250)})
    assert _run(store, sweep.run_id).data.tags["tag249"] == "249"


def test_all_runs_of_a_trial_are_found_and_one_too_many_goes(
    store: TrackingStore, sweep: SweepRun, begin: Begin, deliver: Callable[[], None]
) -> None:
    assert sweep.trial_runs() == []
    runs = [begin(number) for number in (0, 1)]
    time.sleep(0.002)  # MLflow counts starts in milliseconds
    runs.append(begin(1))
    runs[0].end("KILLED", ending="pruned", reason="pruned at tick 4")
    deliver()
    found = sweep.trial_runs()
    assert sorted((child.trial, child.run_id) for child in found) == sorted(
        zip((0, 1, 1), (run.run_id for run in runs), strict=True)
    )
    first = next(child for child in found if child.trial == 0)
    assert (first.status, first.ending) == ("KILLED", "pruned")
    assert isinstance(first, ChildRun)
    assert run_ids(sweep) == {0: runs[0].run_id, 1: runs[2].run_id}
    sweep.discard(runs[2].run_id, "trial 1 has another run")
    assert run_ids(sweep) == {0: runs[0].run_id, 1: runs[1].run_id}
    gone = _run(store, runs[2].run_id)
    assert gone.info.lifecycle_stage == "deleted"
    assert gone.data.tags["finesweep.discarded"] == "trial 1 has another run"


def test_trials_of_another_sweep_are_not_ours(
    store: TrackingStore,
    sweep: SweepRun,
    hyperparameters: Hyperparameters,
    dataset: DatasetIdentity,
    outbox: Outbox,
) -> None:
    other = SweepRun.start(
        store,
        experiment="headlines",
        name="o",
        study_key="key of o",
        config_yaml="",
        params={},
        dataset=dataset,
    )
    other.start_trial(0, hyperparameters, outbox=outbox)
    assert run_ids(sweep) == {}


def test_a_sweep_is_continued(
    store: TrackingStore,
    sweep: SweepRun,
    begin: Begin,
    outbox: Outbox,
    deliver: Callable[[], None],
) -> None:
    trial = begin(0)
    sweep.end("KILLED", ending="interrupted", reason="interrupted", outbox=outbox)
    deliver()
    assert _run(store, sweep.run_id).info.status == "KILLED"
    sweep.end("KILLED", ending="interrupted", reason="not delivered yet", outbox=outbox)
    again = SweepRun.resume(store, sweep.run_id, outbox=outbox)
    deliver()
    run = _run(store, sweep.run_id)
    assert run.info.status == "RUNNING"
    assert "finesweep.reason" not in run.data.tags
    assert again.experiment_id == sweep.experiment_id
    assert again.name == "headlines-lr"
    assert run_ids(again) == {0: trial.run_id}


def test_the_run_of_a_study_is_made_once(
    store: TrackingStore, dataset: DatasetIdentity, hyperparameters: Hyperparameters
) -> None:
    """A process that is killed just after it made the run cannot tell the study of it."""

    def start(key: str) -> SweepRun:
        return SweepRun.start(
            store,
            experiment="headlines",
            name="again",
            study_key=key,
            config_yaml="a: 1\n",
            params={"pruner": "none"},
            dataset=dataset,
        )

    first = start("one study")
    assert start("one study").run_id == first.run_id
    assert start("another study").run_id != first.run_id
    assert len(_run(store, first.run_id).inputs.dataset_inputs) == 1


def test_what_cannot_be_continued(store: TrackingStore, sweep: SweepRun, outbox: Outbox) -> None:
    with pytest.raises(TrackingError, match="sweep's run nope.*MLFLOW_TRACKING_URI"):
        SweepRun.resume(store, "nope", outbox=outbox)
    store.client.delete_run(sweep.run_id)
    with pytest.raises(TrackingError, match="was deleted; restore it with 'mlflow runs restore"):
        SweepRun.resume(store, sweep.run_id, outbox=outbox)


def test_a_single_training_has_no_parent(
    store: TrackingStore,
    outbox: Outbox,
    deliver: Callable[[], None],
    hyperparameters: Hyperparameters,
    dataset: DatasetIdentity,
) -> None:
    run = TrialRun.start(
        store,
        outbox,
        experiment="headlines",
        name="once",
        hyperparameters=hyperparameters,
        dataset=dataset,
        config_yaml="a: 1\n",
    )
    deliver()
    recorded = _run(store, run.run_id)
    assert "mlflow.parentRunId" not in recorded.data.tags
    assert recorded.data.tags["finesweep.version.numpy"]
    assert recorded.data.params["epochs"] == "3"
    assert recorded.inputs.dataset_inputs
    text = store.client.download_artifacts(run.run_id, "experiment.yaml")
    assert Path(text).read_text() == "a: 1\n"
    with pytest.raises(TrackingError, match="is not the run of a sweep"):
        SweepRun.resume(store, run.run_id, outbox=outbox)


def test_an_orphan_is_reaped(store: TrackingStore, begin: Begin) -> None:
    trial = begin(0)
    end_run(store, trial.run_id, "FAILED", reason="its worker died")
    assert _run(store, trial.run_id).info.status == "FAILED"
    with pytest.raises(TrackingError, match="cannot end the run nope as FAILED"):
        end_run(store, "nope", "FAILED", reason=None)


def test_what_is_no_model_is_refused(begin: Begin, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="is not a packaged model: it has no MLmodel file"):
        begin(0).log_model(tmp_path)


def test_a_folder_is_taken_from_where_it_is(
    store: TrackingStore, begin: Begin, tmp_path: Path
) -> None:
    run_id = begin(0).run_id
    stored = Path(artifact_uri(store, run_id)) / "model"
    with pytest.raises(TrackingError, match="it is not in .*; somebody removed it") as gone:
        fetch_folder(store, run_id, "model", into=tmp_path)
    assert passing_obstacle(gone.value) is None, "waiting does not bring it back"
    stored.mkdir(parents=True)
    assert fetch_folder(store, run_id, "model", into=tmp_path) == stored
