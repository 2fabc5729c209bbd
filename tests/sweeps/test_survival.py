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

from finesweep import registry
from finesweep.errors import (
    DiskFullError,
    InterruptedSweep,
    RegistryError,
    SweepFailedError,
    TrackingError,
)
from finesweep.sweeps import SweepResult, load_result
from finesweep.sweeps.disk import DiskPlan, check_disk
from finesweep.sweeps.engines._base import Event, Failed, Finished
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.sweeps.stopping import StopRequest
from finesweep.tracking import SweepRun
from finesweep.training.progress import Answer


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


@pytest.mark.timeout(60)
def test_a_sweep_out_of_patience_does_not_wait_for_a_store_that_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = SweepRun.start_trial

    def refuse(self: SweepRun, number: int, *args: Any, **kwargs: Any) -> Any:
        if number == 2:
            raise TrackingError("cannot begin the run") from ConnectionError("refused")
        return begin(self, number, *args, **kwargs)

    monkeypatch.setattr(SweepRun, "start_trial", refuse)
    enqueue = [{"learning_rate": 5e-5}, {"learning_rate": 9e-5}]
    config = bench.config(trials=9, enqueue=enqueue, patience=1)
    result = bench.run(config, workers=2)
    assert states(result) == ["completed"] * 2
    assert result.stopped_by.startswith("no improvement in 1 trials")


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


def test_a_store_that_is_away_when_the_best_is_registered_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    register, refusals = registry.register, iter(range(2))

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if next(refusals, None) is not None:
            raise RegistryError("cannot register the run") from ConnectionError("refused")
        return register(*args, **kwargs)

    monkeypatch.setattr(registry, "register", refuse)
    monkeypatch.setattr("finesweep.sweeps.store_watch.RETRY_SECONDS", 0.05)
    result = bench.run(bench.config(trials=1, register={"name": bench.name, "stage": "Staging"}))
    assert result.registered is not None
    assert result.registered.version == 1


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
    "before the sweep's run is made": ("SweepRun.start", True, 0),
    "after the sweep's run is made": ("SweepRun.start", False, 0),
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
    "before the sweep's run is ended": ("SweepRun.end", True, 0),
    "after the sweep's run is ended": ("SweepRun.end", False, 0),
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
    parents = bench.store.client.search_runs(
        [experiment], f"tags.`finesweep.study` = '{study.user_attrs['key']}'"
    )
    assert [run.info.run_id for run in parents] == [result.run_id]
    assert parents[0].info.status == "FINISHED"
    assert parents[0].data.tags["finesweep.ending"] == "completed"
    assert parents[0].data.tags["finesweep.reason"] == "all 3 trials are done"
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


def test_a_verdict_outlives_the_worker_it_was_given_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pruned trial whose worker is killed before it could stop stays pruned."""
    answer = LocalEngine.answer

    def kill(self: LocalEngine, trial: int, told: Answer) -> None:
        if told == "stop":
            (worker,) = self.workers
            os.kill(worker.pid, signal.SIGKILL)
        answer(self, trial, told)

    monkeypatch.setattr(LocalEngine, "answer", kill)
    bench.script(t2="worse")
    pruner = {"name": "median", "n_startup_trials": 2, "warmup_epochs": 0.5}
    result = bench.run(bench.config(trials=3, pruner=pruner))
    assert states(result) == ["completed", "completed", "pruned"]
    assert result.trials[2].attempts == 1


DIES_AT_A_VERDICT = """
import os, signal, sys
from pathlib import Path
from sweep_bench import Bench
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.tracking import TrackingStore
folder, root, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
bench = Bench(folder=folder, store=TrackingStore.open(root=root), name=name)
answer = LocalEngine.answer

def die(self, trial, told):
    if told == "stop":
        os.kill(os.getpid(), signal.SIGKILL)
    answer(self, trial, told)

LocalEngine.answer = die
pruner = {"name": "median", "n_startup_trials": 2, "warmup_epochs": 0.5}
bench.run(bench.config(trials=3, pruner=pruner))
"""


def test_a_verdict_outlives_the_coordinator_that_gave_it(bench: Bench) -> None:
    bench.script(t2="worse")
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            DIES_AT_A_VERDICT,
            str(bench.folder),
            str(bench.store.root),
            bench.name,
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    pruner = {"name": "median", "n_startup_trials": 2, "warmup_epochs": 0.5}
    result = bench.run(bench.config(trials=3, pruner=pruner))
    assert states(result) == ["completed", "completed", "pruned"]


def test_every_event_is_handled_though_one_ends_the_sweep(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers speak at once: the first has an error that ends the sweep, the second is done."""
    wait = LocalEngine.wait
    held: list[Event] = []

    def together(self: LocalEngine, timeout: float | None = None) -> list[Event]:
        events = wait(self, timeout)
        held.extend(event for event in events if isinstance(event, Failed | Finished))
        if len(held) < 2:
            return [event for event in events if not isinstance(event, Failed | Finished)]
        told = sorted(held, key=lambda event: isinstance(event, Finished))
        held.clear()
        return told

    monkeypatch.setattr(LocalEngine, "wait", together)
    bench.script(t0="raise")
    config = bench.config(trials=2, max_failures=1, retries=0)
    with pytest.raises(SweepFailedError, match="the trainer is broken"):
        bench.run(config, workers=2)
    assert states(load_result(bench.study_url, bench.name)) == ["failed", "completed"]


def test_what_the_sweep_has_on_disk_already_is_not_asked_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[DiskPlan | None] = []

    def note(*args: Any, held: DiskPlan | None = None, **kwargs: Any) -> None:
        asked.append(held)
        check_disk(*args, held=held, **kwargs)

    monkeypatch.setattr("finesweep.sweeps.sweep.check_disk", note)
    bench.run(bench.config(trials=2))
    bench.run(bench.config(trials=3))
    first, second = asked
    assert first == DiskPlan(models=0, working=0)
    assert second is not None
    assert second.models > 0


def test_the_model_of_a_trial_that_failed_after_all_is_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise SweepFailedError("the record cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr("finesweep.sweeps.finishing.end_complete", fail)
        with pytest.raises(SweepFailedError, match="cannot be written"):
            bench.run(bench.config(trials=2))
    bench.script(t0="raise at 6")
    result = bench.run(bench.config(trials=2, retries=0))
    assert states(result) == ["failed", "completed"]
    assert [has_model(bench, trial.run_id) for trial in result.trials] == [False, True]


def test_the_test_split_is_measured_and_logged_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.n_test = 20

    def fail(*_: Any, **__: Any) -> Any:
        raise SweepFailedError("not now")

    with monkeypatch.context() as patch:
        patch.setattr("finesweep.sweeps.selection.Selector._put_on_record", fail)
        with pytest.raises(SweepFailedError, match="not now"):
            bench.run(bench.config(trials=1))
    result = bench.run(bench.config(trials=1))
    history = bench.store.client.get_metric_history(result.trials[0].run_id, "test/accuracy")
    assert [point.value for point in history] == [0.75]


def test_an_attempt_that_ends_before_its_first_tick_forgets_nothing(bench: Bench) -> None:
    def stop_at(wanted: tuple[int, int]) -> tuple[StopRequest, RecordingObserver]:
        stop = StopRequest()

        def ask(number: int, tick: int) -> None:
            if (number, tick) == wanted:
                stop.ask("interrupted", "stopped by the user")

        return stop, RecordingObserver(on_tick=ask)

    stop, observer = stop_at((0, 6))
    with pytest.raises(InterruptedSweep):
        bench.run(bench.config(trials=1), observer, stop=stop)
    before = load_result(bench.study_url, bench.name).trials[0]
    bench.script(seconds_to_load=20)
    started = RecordingObserver()
    started.trial_started = lambda *_: impatient.ask("preempted", "SIGTERM")  # type: ignore[method-assign]
    impatient = StopRequest()
    with pytest.raises(InterruptedSweep):
        bench.run(bench.config(trials=1), started, stop=impatient)
    after = load_result(bench.study_url, bench.name).trials[0]
    assert after.state == "preempted"
    assert (after.metrics, after.seconds) == (before.metrics, before.seconds)
