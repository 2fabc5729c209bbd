from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from finesweep.cli.progress import StepProgress, SweepProgress
from finesweep.sweeps.engines._base import WorkerReady
from finesweep.sweeps.result import SweepResult, TrialSummary
from finesweep.tracking import DeliveryState
from finesweep.training.progress import Tick

NewTrial = Callable[..., TrialSummary]


def log() -> Console:
    return Console(file=io.StringIO(), width=140, highlight=False)


def terminal() -> Console:
    return Console(
        file=io.StringIO(), width=100, highlight=False, force_terminal=True, force_interactive=True
    )


def told_to(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def tick(number: int, *, metrics: dict[str, float]) -> Tick:
    return Tick(
        number=number,
        epoch=number / 4,
        examples_seen=number * 100,
        seconds=1.0,
        metrics=metrics,
        full_validation=number % 4 == 0,
    )


def watch(console: Console, new_trial: NewTrial, result: SweepResult) -> None:
    values, metrics = new_trial(0).hyperparameters, new_trial(0).metrics
    with SweepProgress(metric="val/accuracy", console=console) as observer:
        observer.sweep_started(3, 1)
        observer.trial_started(1, values, "run")
        observer.ticked(1, tick(1, metrics=metrics), 12)
        observer.trial_ended(new_trial(1, "failed", reason="OSError: [disk] full"))
        observer.trial_started(2, values, "run")
        observer.ticked(2, tick(12, metrics=metrics), 12)
        observer.trial_ended(new_trial(2))
        observer.sweep_ended(result)


def test_a_log_has_a_line_for_each_event(new_trial: NewTrial, result: SweepResult) -> None:
    console = log()
    watch(console, new_trial, result)
    values = "learning_rate=4.9376e-05  batch_size=4096  epochs=3  max_length=64"
    assert told_to(console).splitlines() == [
        "going on: 1 of 3 trials are done",
        f"t001 started   {values}",
        "a worker process starts: loading TensorFlow takes some seconds",
        "t001 tick 1/12  val/accuracy 0.9183, 267 examples/s",
        "t001 failed    no result  (OSError: [disk] full)",
        f"t002 started   {values}",
        "t002 tick 12/12  val/accuracy 0.9183, 267 examples/s",
        "t002 completed val/accuracy 0.9183, 92 s",
        "all 2 trials are done",
    ]


def test_a_terminal_keeps_a_line_for_each_trial_only(
    new_trial: NewTrial, result: SweepResult
) -> None:
    console = terminal()
    watch(console, new_trial, result)
    told = told_to(console)
    assert "t001 failed    no result  (OSError: [disk] full)\n" in told
    assert "t002 completed val/accuracy 0.9183, 92 s\n" in told
    assert "started" not in told
    assert told.endswith("\x1b[2K") or "\x1b[?25h" in told


def test_a_terminal_that_cannot_move_its_cursor_gets_the_log(
    new_trial: NewTrial, result: SweepResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=io.StringIO(), width=140, force_terminal=True)
    watch(console, new_trial, result)
    assert "t001 tick 1/12" in told_to(console)
    assert "\x1b[?25l" not in told_to(console)


def test_an_interrupted_trial_is_not_counted_as_done(
    new_trial: NewTrial, result: SweepResult
) -> None:
    console, values = log(), new_trial(0).hyperparameters
    with SweepProgress(metric="val/accuracy", console=console) as observer:
        observer.sweep_started(1, 0)
        observer.trial_started(0, values, "run")
        observer.trial_parked(new_trial(0, "interrupted", reason="because"), "it goes on")
        observer.trial_started(0, values, "run")
        observer.trial_ended(new_trial(0))
    assert "t000 interrupted no result  (because); it goes on\n" in told_to(console)
    assert "t000 completed" in told_to(console)


def test_what_becomes_of_workers_and_of_the_store_is_told(
    new_trial: NewTrial, result: SweepResult
) -> None:
    console = log()
    with SweepProgress(metric="val/accuracy", console=console) as observer:
        observer.sweep_started(2, 0)
        observer.worker_ready(WorkerReady(slot=0, pid=17))
        observer.worker_ready(WorkerReady(slot=1, pid=18, replaces="it ended (exit code 3)"))
        observer.tracking_changed(
            DeliveryState(pending=3, refused=0, away_since=1.0, reason="Connection refused")
        )
        observer.tracking_changed(DeliveryState(pending=0, refused=0, away_since=None, reason=None))
        observer.stopping("stopped by the user")
    assert told_to(console).splitlines() == [
        "worker 0 is ready",
        "worker 1 was replaced: it ended (exit code 3)",
        "the tracking store does not answer (Connection refused): the sweep goes on, what is "
        "measured waits on disk",
        "the tracking store is back: what waited for it is delivered",
        "stopped by the user: trials keep a resume point at their next tick and stop; the same "
        "again stops at once, and they go on from their last epoch",
    ]


def test_a_quick_step_is_not_worth_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.1, 1.0, 2.5, 3.0, 5.0])
    monkeypatch.setattr("finesweep.cli.progress.time.monotonic", lambda: next(clock))
    console = log()
    with StepProgress(console) as steps:
        steps("reading", 10, None)
        for done in (10_000, 20_000, 30_000, 40_000):
            steps("tokenising", done, 40_000)
        steps("tokenising", 40_000, 40_000)
    assert told_to(console).splitlines() == [
        "tokenising: 30,000 of 40,000",
        "tokenising: 40,000 of 40,000",
    ]


def test_a_step_of_unknown_length_is_shown_on_a_terminal() -> None:
    console = terminal()
    with StepProgress(console) as steps:
        steps("downloading [x]", 1_000, None)
        steps("downloading [x]", 2_000, 4_000)
    assert "downloading [x]" in told_to(console)
