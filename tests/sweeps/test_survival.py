"""What a sweep survives: bad attempts, a full disk, a store that is away, death at any point."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from sweep_bench import Bench, RecordingObserver

from finesweep.errors import DiskFullError, InterruptedSweep, SweepFailedError, TrackingError
from finesweep.sweeps import SweepResult, load_result
from finesweep.sweeps.stopping import StopRequest
from finesweep.tracking import SweepRun


def states(result: SweepResult) -> list[str]:
    return [trial.state for trial in result.trials]


def tags(bench: Bench, run_id: str | None) -> dict[str, str]:
    return dict(bench.mlflow_run(run_id).data.tags)


def steps(bench: Bench, run_id: str | None) -> list[int]:
    return [point.step for point in bench.store.client.get_metric_history(run_id, "val/accuracy")]


@pytest.mark.parametrize(
    ("act", "ending", "then"),
    [
        ("raise 2 times at 6", "failed", "it goes on from its last resume point"),
        ("exit 2 times at 6", "failed", "it goes on from its last resume point"),
        ("die 2 times at 6", "preempted", "it goes on from its last resume point"),
        ("terminate 2 times at 6", "preempted", "it goes on from its last resume point"),
    ],
)
def test_a_trial_that_fails_twice_goes_on_where_it_was(
    act: str, ending: str, then: str, bench: Bench, observer: RecordingObserver
) -> None:
    bench.script(t1=act)
    result = bench.run(bench.config(trials=2), observer)
    assert states(result) == ["completed"] * 2
    trial = result.trials[1]
    assert trial.attempts == 3
    assert [(one.number, one.state, words) for one, words in observer.parked] == [
        (1, ending, then)
    ] * 2
    # Five ticks, then twice from the end of the first epoch.
    ticks = [tick for number, tick, _ in observer.ticks if number == 1]
    assert ticks == [1, 2, 3, 4, 5, 5, 5, 6, 7, 8]
    assert steps(bench, trial.run_id) == list(range(1, 9))
    run = bench.mlflow_run(trial.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["finesweep.ending"] == "completed"
    assert "finesweep.reason" not in run.data.tags


def test_out_of_memory_is_tried_once_more_with_half_the_batch(
    bench: Bench, observer: RecordingObserver
) -> None:
    bench.script(t0="oom", t1="oom always")
    result = bench.run(bench.config(trials=2), observer)
    assert states(result) == ["completed", "out_of_memory"]
    assert [trial.attempts for trial in result.trials] == [2, 2]
    (first, then), _ = observer.parked
    assert first.state == "out_of_memory"
    size = result.trials[0].hyperparameters.batch_size
    assert f"{size // 2} examples at a time" in then
    assert f"the same batch of {size}" in then
    assert tags(bench, result.trials[1].run_id)["finesweep.ending"] == "out_of_memory"


def test_a_full_disk_stops_the_sweep_and_loses_nothing(
    bench: Bench, observer: RecordingObserver
) -> None:
    bench.script(t1="disk full once at 6")
    config = bench.config(trials=3)
    with pytest.raises(DiskFullError, match="free some and run the same command"):
        bench.run(config)
    stopped = load_result(bench.study_url, bench.name)
    assert states(stopped) == ["completed", "interrupted"]
    result = bench.run(config, observer)
    assert states(result) == ["completed"] * 3
    assert [tick for number, tick, _ in observer.ticks if number == 1] == [5, 6, 7, 8]
    assert steps(bench, result.trials[1].run_id) == list(range(1, 9))


def test_no_improvement_in_so_many_trials_ends_the_sweep(bench: Bench) -> None:
    rates = [5e-5, 9e-5, 8e-5, 5.1e-5, 1e-5]
    enqueue = [{"learning_rate": rate} for rate in rates]
    config = bench.config(trials=5, enqueue=enqueue, patience=2)
    result = bench.run(config)
    assert len(result.trials) == 3
    assert result.stopped_by == "no improvement in 2 trials (3 are done)"
    assert bench.run(config) == result
    widened = bench.run(bench.config(trials=5, enqueue=enqueue, patience=4))
    assert len(widened.trials) == 5


def test_the_best_so_many_keep_their_models(bench: Bench) -> None:
    rates = [1e-5, 2e-5, 3e-5, 5e-5, 9e-5]
    enqueue = [{"learning_rate": rate} for rate in rates]
    result = bench.run(bench.config(trials=5, enqueue=enqueue, keep_checkpoints=2))
    kept = [has_model(bench, trial.run_id) for trial in result.trials]
    assert kept == [False, False, True, True, False]
    said = [tags(bench, trial.run_id).get("finesweep.checkpoint") for trial in result.trials]
    assert said == [
        "removed: not among the best 2",
        "removed: not among the best 2",
        None,
        None,
        "not kept: not among the best 2",
    ]


def test_fewer_models_are_kept_when_the_sweep_is_told_so(bench: Bench) -> None:
    result = bench.run(bench.config(trials=3, keep_checkpoints="all"))
    assert [has_model(bench, trial.run_id) for trial in result.trials] == [True] * 3
    result = bench.run(bench.config(trials=4, keep_checkpoints=1))
    assert result.best is not None
    kept = [trial.number for trial in result.trials if has_model(bench, trial.run_id)]
    assert kept == [result.best.number]


def test_a_disk_limit_removes_the_worst_and_never_the_best(bench: Bench) -> None:
    enqueue = [{"learning_rate": rate} for rate in (5e-5, 6e-5, 7e-5)]
    # A scripted model has about 110 bytes.
    result = bench.run(bench.config(trials=3, enqueue=enqueue, disk_limit=300))
    assert [has_model(bench, trial.run_id) for trial in result.trials] == [True, True, False]
    reason = tags(bench, result.trials[2].run_id)["finesweep.checkpoint"]
    assert reason == "removed: the sweep's limit is 300 B of disk"


def has_model(bench: Bench, run_id: str | None) -> bool:
    files = bench.store.client.list_artifacts(run_id)
    return "model" in {file.path for file in files}


def test_a_store_that_is_away_when_a_trial_begins_is_waited_for(
    bench: Bench, observer: RecordingObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, refusals = SweepRun.start_trial, iter(range(3))

    def refuse(self: SweepRun, number: int, *args: Any, **kwargs: Any) -> Any:
        if number == 1 and next(refusals, None) is not None:
            raise TrackingError("cannot begin the run") from ConnectionError("refused")
        return begin(self, number, *args, **kwargs)

    monkeypatch.setattr(SweepRun, "start_trial", refuse)
    monkeypatch.setattr("finesweep.sweeps.store_watch.RETRY_SECONDS", 0.05)
    result = bench.run(bench.config(trials=3), observer)
    assert states(result) == ["completed"] * 3
    assert [trial.attempts for trial in result.trials] == [1, 1, 1]


def test_a_store_that_refuses_for_good_ends_the_sweep(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise TrackingError("the experiment was deleted")

    with monkeypatch.context() as patch:
        patch.setattr(SweepRun, "start_trial", refuse)
        with pytest.raises(TrackingError, match="was deleted"):
            bench.run(bench.config(trials=2))
    assert states(bench.run(bench.config(trials=2))) == ["completed"] * 2


DYING_COORDINATOR = """
import os, signal, sys
from pathlib import Path
from sweep_bench import Bench
from finesweep.tracking import TrackingStore
{imports}
folder, root, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
bench = Bench(folder=folder, store=TrackingStore.open(root=root), name=name)
calls = iter(range({calls}))
original = {where}

def die(*args, **kwargs):
    result = None if {before} else original(*args, **kwargs)
    if next(calls, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs) if {before} else result

{where} = die
bench.run(bench.config(trials=3, keep_checkpoints=1))
"""

PLACES = {
    "before the trial's run is made": ("SweepRun.start_trial", True, 1),
    "after the trial's run is made": ("SweepRun.start_trial", False, 1),
    "before the start is noted": ("starting.write_start", True, 1),
    "before a tick is on record": ("Outbox.put_tick", True, 12),
    "before a tick is reported": ("optuna.Trial.report", True, 12),
    "after a tick was reported": ("optuna.Trial.report", False, 12),
    "before a value is suggested": ("optuna.Trial.suggest_categorical", True, 1),
    "before the model is in the outbox": ("Outbox.put_model", True, 1),
    "after the model is in the outbox": ("Outbox.put_model", False, 1),
    "before the record is written": ("ending.write_record", True, 1),
    "after the record was written": ("ending.write_record", False, 1),
    "before the study is told": ("optuna.Study.tell", True, 1),
    "after the study was told": ("optuna.Study.tell", False, 1),
    "while models are removed": ("TrialRun.remove_model", False, 0),
    "before the winner is on record": ("Selector._put_on_record", True, 0),
}

IMPORTS = """
import optuna
from finesweep.sweeps import ending, starting
from finesweep.sweeps.selection import Selector
from finesweep.tracking import Outbox, SweepRun, TrialRun
"""


@pytest.mark.parametrize("place", PLACES)
def test_a_coordinator_may_die_anywhere(place: str, bench: Bench) -> None:
    bench.script()
    where, before, calls = PLACES[place]
    code = DYING_COORDINATOR.format(imports=IMPORTS, where=where, before=before, calls=calls)
    killed = subprocess.run(
        [sys.executable, "-c", code, str(bench.folder), str(bench.store.root), bench.name],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    result = bench.run(bench.config(trials=3, keep_checkpoints=1))
    assert states(result) == ["completed"] * 3
    study = bench.study()
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    experiment = bench.mlflow_run(result.run_id).info.experiment_id
    children = bench.store.client.search_runs(
        [experiment], f"tags.`mlflow.parentRunId` = '{result.run_id}'"
    )
    assert {run.info.run_id for run in children} == {trial.run_id for trial in result.trials}
    assert len(children) == 3
    for run in children:
        assert run.info.status == "FINISHED"
        assert run.data.params["batch_size"]
        assert steps(bench, run.info.run_id) == list(range(1, 9))
    assert result.best is not None
    kept = [trial.number for trial in result.trials if has_model(bench, trial.run_id)]
    assert kept == [result.best.number]
    assert list(bench.workdir.glob("trial-*")) == []


def test_a_sweep_whose_work_folder_was_deleted_goes_on(bench: Bench) -> None:
    stop = StopRequest()

    def ask(number: int, tick: int) -> None:
        if (number, tick) == (1, 6):
            stop.ask("interrupted", "stopped by the user")

    with pytest.raises(InterruptedSweep):
        bench.run(bench.config(trials=2), RecordingObserver(on_tick=ask), stop=stop)
    shutil.rmtree(bench.workdir)
    result = bench.run(bench.config(trials=2))
    assert states(result) == ["completed"] * 2
    assert steps(bench, result.trials[1].run_id) == list(range(1, 9))


def test_what_no_attempt_can_do_is_told_by_its_error(bench: Bench) -> None:
    bench.script(default="oom always")
    with pytest.raises(
        SweepFailedError, match="3 trials in a row failed with the same error, OutOf"
    ):
        bench.run(bench.config(trials=9))


def test_the_folder_of_a_trial_goes_with_it(bench: Bench, tmp_path: Path) -> None:
    bench.script(t0="raise")
    bench.run(bench.config(trials=2, retries=0))
    assert [path.name for path in bench.workdir.iterdir() if path.name.startswith("trial")] == []
