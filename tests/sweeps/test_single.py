"""One fine-tuning without a study: a real MLflow store, a real worker, a scripted trainer."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from sweep_bench import SCRIPTED, Bench, RecordingObserver

from finesweep.errors import DivergedError, FinesweepError, InterruptedSweep, WorkerDiedError
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.sweeps.single import SingleResult, run_single


def train(bench: Bench, observer: RecordingObserver) -> SingleResult:
    bench.engine = LocalEngine(bench.setup, trainer=SCRIPTED, logs=bench.folder / "logs")
    return run_single(
        bench.config().experiment,
        data=bench.data,
        store=bench.store,
        engine=bench.engine,
        observer=observer,
        workdir=bench.workdir,
    )


def only_run(bench: Bench) -> Any:
    experiment = bench.store.client.get_experiment_by_name(bench.name)
    (run,) = bench.store.client.search_runs([experiment.experiment_id])
    return run


def test_it_is_one_finished_run_with_curve_model_and_test_metrics(
    bench: Bench, observer: RecordingObserver
) -> None:
    bench.n_test = 20
    result = train(bench, observer)
    run = only_run(bench)
    assert run.info.run_id == result.run_id
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "5e-05"
    assert run.data.metrics["test/accuracy"] == result.metrics["test/accuracy"] == 0.75
    curve = bench.store.client.get_metric_history(result.run_id, "val/accuracy")
    assert [point.step for point in curve] == list(range(1, 9))
    assert result.metrics["val/accuracy"] == curve[-1].value
    names = {item.path for item in bench.store.client.list_artifacts(result.run_id, "model")}
    assert "model/MLmodel" in names
    assert [summary.state for summary in observer.ended] == ["completed"]
    assert not list(bench.workdir.iterdir())


@pytest.mark.parametrize(
    ("act", "error", "reason"),
    [
        ("raise", FinesweepError, "the fine-tuning failed with RuntimeError: .*batch 17"),
        ("diverge", DivergedError, "the training loss is nan at step 12"),
        ("die", WorkerDiedError, "SIGKILL"),
    ],
)
def test_a_failure_is_a_failed_run_with_its_reason(
    bench: Bench,
    observer: RecordingObserver,
    act: str,
    error: type[FinesweepError],
    reason: str,
) -> None:
    bench.script(default=act)
    with pytest.raises(error, match=reason) as raised:
        train(bench, observer)
    run = only_run(bench)
    assert run.info.status == "FAILED"
    assert run.data.tags["finesweep.reason"] == str(raised.value)
    assert not list(bench.workdir.iterdir())


def test_an_interrupted_training_is_a_killed_run(bench: Bench, observer: RecordingObserver) -> None:
    bench.script(seconds_per_tick=0.05)
    observer.on_tick = lambda _, tick: os.kill(os.getpid(), signal.SIGINT) if tick == 3 else None
    with pytest.raises(InterruptedSweep):
        train(bench, observer)
    assert only_run(bench).info.status == "KILLED"


def test_a_model_that_cannot_be_measured_is_kept(bench: Bench, observer: RecordingObserver) -> None:
    bench.n_test = 20
    bench.script(evaluate="raise")
    with pytest.raises(FinesweepError, match="cannot evaluate"):
        train(bench, observer)
    run = only_run(bench)
    assert run.info.status == "FAILED"
    files = bench.store.client.list_artifacts(run.info.run_id, "model")
    assert "model/MLmodel" in {file.path for file in files}
