"""Whole sweeps: a real study, a real MLflow store, real worker processes, a scripted trainer."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from scripted_trainer import accuracy
from sweep_bench import Bench, RecordingObserver, worker_processes

from finesweep import registry
from finesweep.errors import InterruptedSweep, StudyError, SweepFailedError, UserError
from finesweep.sweeps import SweepResult, load_result
from finesweep.sweeps.record import DEAD
from finesweep.sweeps.stopping import StopRequest

MATCHING = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
    TrialState.WAITING: "KILLED",
}


def states(result: SweepResult) -> list[str]:
    return [trial.state for trial in result.trials]


def children_of(bench: Bench, run_id: str) -> list[Any]:
    experiment = bench.mlflow_run(run_id).info.experiment_id
    return list(
        bench.store.client.search_runs(
            [experiment], f"tags.`mlflow.parentRunId` = '{run_id}'", max_results=1000
        )
    )


def check_consistency(bench: Bench, run_id: str) -> None:
    """Every trial that began has ended or is parked, and has one run, which says so too."""
    runs = {run.info.run_id: run for run in children_of(bench, run_id)}
    begun = [trial for trial in bench.study().trials if "run_id" in trial.user_attrs]
    assert len(runs) == len(begun)
    for trial in begun:
        run = runs[trial.user_attrs["run_id"]]
        assert run.info.status == MATCHING[trial.state]
        assert run.data.tags["finesweep.ending"] == trial.user_attrs["record"]["ending"]
        assert run.data.tags["finesweep.trial"] == str(trial.number)
        assert run.info.run_name == f"t{trial.number:03d}"
        history = bench.store.client.get_metric_history(run.info.run_id, "val/accuracy")
        steps = [point.step for point in history]
        assert sorted(set(steps)) == sorted(steps)
        assert set(trial.intermediate_values) <= set(steps)


def no_workers_left() -> bool:
    return not worker_processes()


@pytest.mark.parametrize("packaging", ["real"], indirect=True)
def test_a_sweep_from_end_to_end(bench: Bench, observer: RecordingObserver) -> None:
    bench.n_test = 20
    config = bench.config(trials=3, register={"name": bench.name, "stage": "Staging"})
    result = bench.run(config, observer)

    assert states(result) == ["completed"] * 3
    assert result.stopped_by == "all 3 trials are done"
    assert result.best is not None
    best = max(result.trials, key=lambda trial: trial.metrics["val/accuracy"])
    assert result.best == best
    assert best.metrics["val/accuracy"] == accuracy(best.hyperparameters, 8)
    assert result.test_metrics == {"test/accuracy": 0.75, "test/max_length": 64.0}
    assert result.registered is not None
    assert (result.registered.version, result.registered.stage) == (1, "Staging")

    (version,) = registry.list_versions(bench.store, bench.name)
    assert (version.run_id, version.stage) == (best.run_id, "Staging")
    check_consistency(bench, result.run_id)
    parent = bench.mlflow_run(result.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["finesweep.best_trial"] == str(best.number)
    assert parent.data.metrics["trials/completed"] == 3
    assert parent.data.metrics["best/val/accuracy"] == best.metrics["val/accuracy"]
    assert parent.data.metrics["best/test/accuracy"] == 0.75
    child = bench.mlflow_run(best.run_id)
    assert child.data.metrics["test/accuracy"] == 0.75
    history = bench.store.client.get_metric_history(best.run_id, "val/accuracy")
    assert [point.step for point in history] == [1, 2, 3, 4, 5, 6, 7, 8]
    files = bench.store.client.list_artifacts(best.run_id, "model")
    assert "model/MLmodel" in {file.path for file in files}

    assert observer.started == [(3, 0)]
    assert [number for number, _, _ in observer.trials] == [0, 1, 2]
    assert observer.ticks[:8] == [(0, tick, 8) for tick in range(1, 9)]
    assert observer.ended == list(result.trials)
    assert observer.results == [result]
    assert load_result(bench.study_url, bench.name) == result
    assert list(bench.workdir.glob("trial-*")) == []
    assert no_workers_left()


SWEEP_IN_A_PROCESS = """
import sys
from pathlib import Path
from sweep_bench import Bench
from finesweep.tracking import TrackingStore
folder = Path(sys.argv[1])
bench = Bench(folder=folder, store=TrackingStore.open(root=folder / "mlruns"))
bench.script()
result = bench.run(bench.config(trials=1))
loaded = [name for name in ("tensorflow", "keras") if name in sys.modules]
print(result.trials[0].state, loaded)
"""


def test_the_coordinator_loads_no_tensorflow(tmp_path: Path) -> None:
    """In a process of its own: other tests have loaded it into this one."""
    finished = subprocess.run(
        [sys.executable, "-c", SWEEP_IN_A_PROCESS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.stdout == "completed []\n", finished.stderr


def test_a_pruned_trial(bench: Bench, observer: RecordingObserver) -> None:
    bench.script(t2="worse")
    pruner = {"name": "median", "n_startup_trials": 2, "warmup_epochs": 0.5}
    result = bench.run(bench.config(trials=3, pruner=pruner), observer)
    assert states(result) == ["completed", "completed", "pruned"]
    pruned = result.trials[2]
    assert pruned.reason is not None
    assert pruned.reason.startswith("pruned at tick 2: val/accuracy ")
    assert pruned.reason.endswith("is worse than the median of the completed trials there")
    assert [tick for number, tick, _ in observer.ticks if number == 2] == [1, 2]
    run = bench.mlflow_run(pruned.run_id)
    assert run.info.status == "KILLED"
    assert run.data.tags["finesweep.reason"] == pruned.reason
    assert bench.study().trials[2].state == TrialState.PRUNED
    check_consistency(bench, result.run_id)


def test_a_trial_is_not_pruned_at_its_last_tick(bench: Bench) -> None:
    bench.script(t2="worse")
    pruner = {"name": "median", "n_startup_trials": 2, "warmup_epochs": 2.0}
    assert states(bench.run(bench.config(trials=3, pruner=pruner))) == ["completed"] * 3


@pytest.mark.parametrize(
    ("act", "state", "status", "reason"),
    [
        ("raise", "failed", "FAILED", "RuntimeError: the trainer is broken at batch 17"),
        ("diverge", "diverged", "FAILED", "diverged: the training loss is nan at step 12"),
        ("nan", "diverged", "FAILED", "diverged: val/accuracy is nan at tick 3"),
        ("no metric", "failed", "FAILED", "tick 1 reported no val/accuracy"),
        ("no checkpoint", "failed", "FAILED", "TrainerError: the trainer left no checkpoint"),
        ("segv", "failed", "FAILED", "WorkerDied: its worker process ended (killed by SIGSEGV)"),
        ("oom always", "out_of_memory", "FAILED", "out of memory: "),
    ],
)
def test_one_bad_trial_does_not_end_the_sweep(
    act: str, state: str, status: str, reason: str, bench: Bench
) -> None:
    bench.script(t1=act)
    result = bench.run(bench.config(trials=3, retries=0))
    assert states(result) == ["completed", state, "completed"]
    bad = result.trials[1]
    assert bad.reason is not None
    assert bad.reason.startswith(reason)
    run = bench.mlflow_run(bad.run_id)
    assert run.info.status == status
    assert run.data.tags["finesweep.reason"].startswith(reason)
    frozen = bench.study().trials[1]
    assert frozen.state == TrialState.FAIL
    assert frozen.value is None
    assert not any(math.isnan(value) for value in frozen.intermediate_values.values())
    check_consistency(bench, result.run_id)


def test_a_failed_trial_keeps_its_traceback(bench: Bench) -> None:
    bench.script(t0="raise")
    result = bench.run(bench.config(trials=2, retries=1))
    files = bench.store.client.list_artifacts(result.trials[0].run_id)
    assert [file.path for file in files] == ["traceback-2.txt", "traceback.txt"]
    assert result.trials[0].attempts == 2


def test_what_a_dead_worker_last_said_is_in_the_reason(bench: Bench) -> None:
    bench.script(t0="exit")
    reason = bench.run(bench.config(trials=2, retries=0)).trials[0].reason
    assert reason is not None
    assert "worker-0.log" in reason
    assert "trial 0: exit" in reason


@pytest.mark.parametrize("act", ["raise", "exit"])
def test_the_same_error_three_times_in_a_row_stops_the_sweep(act: str, bench: Bench) -> None:
    bench.script(default=act)
    words = "the trainer is broken" if act == "raise" else "exit code 3"
    with pytest.raises(SweepFailedError, match=rf"3 trials in a row .*{words}"):
        bench.run(bench.config(trials=20, retries=1 if act == "raise" else 0))
    trials = bench.study().trials
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 3
    run_id = bench.study().user_attrs["run_id"]
    assert bench.mlflow_run(run_id).info.status == "FAILED"
    check_consistency(bench, run_id)
    assert no_workers_left()


def test_a_broken_setup_stops_the_sweep(bench: Bench) -> None:
    bench.script(setup="broken")
    with pytest.raises(SweepFailedError, match="ValueError: the setup is broken"):
        bench.run(bench.config(trials=20, max_failures=2))
    assert len(bench.study().trials) == 2


def test_a_mistake_that_keeps_workers_from_being_set_up_costs_no_trial(bench: Bench) -> None:
    bench.script(setup="mistake")
    config = bench.config(trials=3)
    with pytest.raises(
        UserError, match="field 'setup': the module models cannot be imported; mend it "
    ):
        bench.run(config, workers=2)
    # The second trial may not have begun by then.
    assert {trial.state for trial in bench.study().trials} == {TrialState.WAITING}
    check_consistency(bench, bench.study().user_attrs["run_id"])
    bench.script()
    assert [trial.state for trial in bench.run(config).trials] == ["completed"] * 3


def test_a_sweep_in_which_every_trial_diverges(bench: Bench) -> None:
    bench.script(default="diverge")
    with pytest.raises(
        SweepFailedError, match=r"no trial completed \(5 diverged\); the first: diverged: the train"
    ):
        bench.run(bench.config(trials=5))
    assert len(bench.study().trials) == 5


def test_enqueued_trials_are_tried_first(bench: Bench) -> None:
    enqueue = [{"learning_rate": 5e-5, "batch_size": 16}, {"batch_size": 32}]
    result = bench.run(bench.config(trials=3, enqueue=enqueue))
    first, second, _ = (trial.hyperparameters for trial in result.trials)
    assert (first.learning_rate, first.batch_size) == (5e-5, 16)
    assert second.batch_size == 32


def test_a_finished_sweep_is_shown_and_not_touched(
    bench: Bench, observer: RecordingObserver
) -> None:
    config = bench.config(trials=2)
    first = bench.run(config)
    ended = bench.mlflow_run(first.run_id).info.end_time
    assert bench.run(config, observer) == first
    assert no_workers_left()
    assert bench.mlflow_run(first.run_id).info.end_time == ended
    assert observer.started == [(2, 2)]
    assert observer.trials == []
    assert observer.results == [first]


def test_a_widened_sweep_goes_on_to_the_new_total(
    bench: Bench, observer: RecordingObserver
) -> None:
    enqueue = [{"learning_rate": 9e-5}]
    first = bench.run(bench.config(trials=2, enqueue=enqueue))
    second = bench.run(bench.config(trials=4, enqueue=enqueue), observer)
    assert observer.started == [(4, 2)]
    assert second.run_id == first.run_id
    assert second.trials[:2] == first.trials
    assert states(second) == ["completed"] * 4
    assert second.best == max(second.trials, key=lambda trial: trial.metrics["val/accuracy"])
    check_consistency(bench, second.run_id)


def test_a_sweep_can_be_registered_afterwards(bench: Bench, observer: RecordingObserver) -> None:
    bench.run(bench.config(trials=2))
    result = bench.run(bench.config(trials=2, register={"name": bench.name}), observer)
    assert result.registered is not None
    assert observer.trials == []
    again = bench.run(bench.config(trials=2, register={"name": bench.name, "stage": "Production"}))
    assert again.registered is not None
    assert (again.registered.version, again.registered.stage) == (1, "Production")


def test_a_changed_sweep_is_refused(bench: Bench) -> None:
    result = bench.run(bench.config(trials=1))
    with pytest.raises(StudyError, match="pruner.name: none → median"):
        bench.run(bench.config(trials=2, pruner={"name": "median"}))
    check_consistency(bench, result.run_id)


def test_a_grid_ends_when_it_is_exhausted(bench: Bench) -> None:
    space = {"learning_rate": {"choices": [1e-5, 5e-5]}, "batch_size": {"choices": [8, 16]}}
    config = bench.config(
        trials=50,
        space=space,
        sampler={"name": "grid"},
        pruner={"name": "hyperband"},
        enqueue=[{"learning_rate": 5e-5, "batch_size": 16}],
    )
    bench.script(t2="raise")
    result = bench.run(config)
    assert len({trial.hyperparameters for trial in result.trials}) == len(result.trials) == 4
    assert result.stopped_by == "all 4 points of the grid are done, fewer than 50 trials"
    assert bench.run(config) == result


def test_an_interruption_at_once_parks_the_running_trial(
    bench: Bench, observer: RecordingObserver
) -> None:
    def interrupt(number: int, tick: int) -> None:
        if (number, tick) == (1, 6):
            signal.raise_signal(signal.SIGINT)

    observer.on_tick = interrupt
    config = bench.config(trials=3)
    with pytest.raises(InterruptedSweep, match="the same command goes on with it$"):
        bench.run(config, observer)
    assert no_workers_left()
    run_id = bench.study().user_attrs["run_id"]
    parent = bench.mlflow_run(run_id)
    assert parent.info.status == "KILLED"
    assert parent.data.tags["finesweep.reason"] == "stopped by the user"
    interrupted = load_result(bench.study_url, bench.name)
    assert states(interrupted) == ["completed", "interrupted"]
    assert interrupted.trials[1].reason == "interrupted: stopped by the user"
    assert interrupted.stopped_by == "stopped by the user"
    check_consistency(bench, run_id)

    later = RecordingObserver()
    result = bench.run(config, later)
    assert states(result) == ["completed"] * 3
    assert result.trials[1].run_id == interrupted.trials[1].run_id
    assert result.trials[1].hyperparameters == interrupted.trials[1].hyperparameters
    assert result.trials[1].attempts == 2
    # From the end of the first epoch; the tick that was on record is not logged again.
    assert [tick for number, tick, _ in later.ticks if number == 1] == [5, 6, 7, 8]
    assert bench.mlflow_run(run_id).info.status == "FINISHED"
    check_consistency(bench, run_id)


def test_whoever_asks_for_the_end_gets_it_at_the_next_tick(
    bench: Bench, observer: RecordingObserver
) -> None:
    stop = StopRequest()

    def ask(number: int, tick: int) -> None:
        if (number, tick) == (1, 3):
            assert stop.is_heeded
            stop.ask("preempted", "stopped by SIGTERM")

    observer.on_tick = ask
    config = bench.config(trials=3)
    with pytest.raises(InterruptedSweep):
        bench.run(config, observer, stop=stop)
    assert no_workers_left()
    assert not stop.is_heeded
    assert observer.stops == ["stopped by SIGTERM"]
    ((parked, then),) = observer.parked
    assert (parked.number, parked.state) == (1, "preempted")
    assert parked.reason == "preempted: stopped by SIGTERM, at tick 3 of 8"
    assert then == "it goes on from its last resume point"
    run_id = bench.study().user_attrs["run_id"]
    check_consistency(bench, run_id)

    later = RecordingObserver()
    result = bench.run(config, later)
    assert states(result) == ["completed"] * 3
    assert [tick for number, tick, _ in later.ticks if number == 1] == [4, 5, 6, 7, 8]
    check_consistency(bench, run_id)


def test_the_end_does_not_wait_for_workers_that_only_load(bench: Bench) -> None:
    bench.script(seconds_to_load=30)
    stop = StopRequest()
    threading.Timer(1.0, stop.ask, ("interrupted", "stopped by the user")).start()
    started = time.monotonic()
    with pytest.raises(InterruptedSweep):
        bench.run(bench.config(trials=3), stop=stop)
    assert time.monotonic() - started < 20.0
    assert no_workers_left()
    check_consistency(bench, bench.study().user_attrs["run_id"])


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_an_interrupted_sweep_tries_what_an_unbroken_one_would(
    sampler: str, bench: Bench, tmp_path: Path
) -> None:
    settings = {"trials": 4, "sampler": {"name": sampler, "seed": 3}}
    unbroken = bench.run(bench.config(**settings))
    broken = Bench(folder=tmp_path / "broken", store=bench.store)
    broken.folder.mkdir()
    broken.script()

    def interrupt(number: int, tick: int) -> None:
        if (number, tick) in [(1, 3), (3, 2)]:
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(InterruptedSweep):
            broken.run(broken.config(**settings), RecordingObserver(on_tick=interrupt))
    result = broken.run(broken.config(**settings))
    points = [trial.hyperparameters for trial in result.trials]
    assert points == [trial.hyperparameters for trial in unbroken.trials]
    assert [trial.metrics["val/accuracy"] for trial in result.trials] == [
        trial.metrics["val/accuracy"] for trial in unbroken.trials
    ]


def test_an_error_of_our_own_leaves_everything_in_order(
    bench: Bench, observer: RecordingObserver
) -> None:
    def fail(number: int, tick: int) -> None:
        if (number, tick) == (1, 2):
            raise RuntimeError("the observer is broken")

    observer.on_tick = fail
    config = bench.config(trials=3)
    with pytest.raises(RuntimeError, match="the observer is broken"):
        bench.run(config, observer)
    assert no_workers_left()
    run_id = bench.study().user_attrs["run_id"]
    parent = bench.mlflow_run(run_id)
    assert parent.info.status == "FAILED"
    assert parent.data.tags["finesweep.reason"] == "the sweep failed: the observer is broken"
    assert states(load_result(bench.study_url, bench.name)) == ["completed", "interrupted"]
    check_consistency(bench, run_id)
    assert states(bench.run(config)) == ["completed"] * 3


def test_at_the_deadline_the_running_trial_stops_at_its_next_tick(
    bench: Bench, observer: RecordingObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("finesweep.sweeps.judge.monotonic", lambda: now)

    def let_time_pass(number: int, tick: int) -> None:
        nonlocal now
        if (number, tick) == (1, 3):
            now += 7200.0

    observer.on_tick = let_time_pass
    result = bench.run(bench.config(trials=4, timeout=7200.0), observer)
    assert states(result) == ["completed", "interrupted"]
    assert result.stopped_by == "the time is up (7200 s)"
    assert result.trials[1].reason == "timeout: stopped at tick 3 of 8"
    run = bench.mlflow_run(result.trials[1].run_id)
    assert run.info.status == "KILLED"
    assert run.data.tags["finesweep.reason"] == "timeout: stopped at tick 3 of 8"
    assert result.best == result.trials[0]
    check_consistency(bench, result.run_id)

    later = RecordingObserver()
    result = bench.run(bench.config(trials=4), later)
    assert states(result) == ["completed"] * 4
    assert [tick for number, tick, _ in later.ticks if number == 1] == [4, 5, 6, 7, 8]
    check_consistency(bench, result.run_id)


def test_a_deadline_before_any_trial_completed(bench: Bench) -> None:
    with pytest.raises(SweepFailedError, match="no trial ended before the time was up"):
        bench.run(bench.config(trials=4, timeout=1e-6))


KILLED_COORDINATOR = """
import sys
from pathlib import Path
from sweep_bench import Bench, RecordingObserver, worker_processes
from finesweep.tracking import TrackingStore
import os, signal

folder, root, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
bench = Bench(folder=folder, store=TrackingStore.open(root=root), name=name)

def die(number, tick):
    if (number, tick) == (1, 2):
        os.kill(os.getpid(), signal.SIGKILL)

enqueue = [{"batch_size": 8}, {"batch_size": 16}, {"batch_size": 32}]
bench.run(bench.config(trials=4, enqueue=enqueue), RecordingObserver(on_tick=die))
"""


def test_a_killed_coordinator_leaves_nothing_that_the_next_cannot_mend(bench: Bench) -> None:
    arguments = [str(bench.folder), str(bench.store.root), bench.name]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_COORDINATOR, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    study = bench.study()
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "RUNNING", "WAITING"]
    dead = load_result(bench.study_url, bench.name).trials[1]
    assert (dead.state, dead.reason) == ("preempted", DEAD)

    enqueue = [{"batch_size": 8}, {"batch_size": 16}, {"batch_size": 32}]
    observer = RecordingObserver()
    result = bench.run(bench.config(trials=4, enqueue=enqueue), observer)
    assert states(result) == ["completed"] * 4
    assert result.trials[1].run_id == study.trials[1].user_attrs["run_id"]
    sizes = [trial.hyperparameters.batch_size for trial in result.trials[:3]]
    assert sizes == [8, 16, 32]
    assert [number for number, _, _ in observer.trials] == [1, 2, 3]
    check_consistency(bench, result.run_id)


def test_a_second_coordinator_is_sent_away(bench: Bench, observer: RecordingObserver) -> None:
    refused: list[str] = []

    def start_another(number: int, tick: int) -> None:
        if tick == 1:
            arguments = [str(bench.folder), str(bench.store.root), bench.name]
            second = subprocess.run(
                [sys.executable, "-c", KILLED_COORDINATOR, *arguments],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                check=False,
                capture_output=True,
                text=True,
            )
            refused.append(second.stderr.splitlines()[-1])

    observer.on_tick = start_another
    bench.run(bench.config(trials=1), observer)
    (line,) = refused
    assert f"'{bench.name}' is being run by process {os.getpid()} on " in line


def test_two_workers_share_a_sweep(bench: Bench, observer: RecordingObserver) -> None:
    bench.script(seconds_per_tick=0.02, t3="die once", t4="raise")
    result = bench.run(bench.config(trials=7, retries=0), observer, workers=2)
    assert Counter(states(result)) == {"completed": 6, "failed": 1}
    assert len(result.trials) == 7
    assert [(trial.number, trial.state) for trial, _ in observer.parked] == [(3, "preempted")]
    check_consistency(bench, result.run_id)


def test_a_best_trial_that_cannot_be_measured(bench: Bench) -> None:
    bench.n_test = 20
    bench.script(evaluate="raise")
    with pytest.raises(SweepFailedError, match="could not be measured .*cannot evaluate"):
        bench.run(bench.config(trials=2))
    bench.script()
    result = bench.run(bench.config(trials=2))
    assert states(result) == ["completed"] * 2
    assert result.test_metrics["test/accuracy"] == 0.75


def test_the_smaller_loss_is_the_better(bench: Bench) -> None:
    experiment = {
        "name": bench.name,
        "data": {"path": "headlines.json"},
        "epochs": 1,
        "metric": "val/loss",
    }
    result = bench.run(bench.config(trials=3, experiment=experiment))
    assert result.best == min(result.trials, key=lambda trial: trial.metrics["val/loss"])
