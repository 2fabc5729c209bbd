"""The loop of a sweep: asks the study, hands trials to the engine, and answers every tick.

The coordinator is the only one that asks and tells. It knows neither how trials are run (the
engine does) nor how a sweep begins and ends (``sweep.py`` does).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import optuna
from optuna.trial import FrozenTrial

from finesweep import registry
from finesweep.config import SweepConfig
from finesweep.sweeps import progress
from finesweep.sweeps.ending import RunningTrial, Verdict, end_complete, end_early
from finesweep.sweeps.engines._base import (
    Assignment,
    Died,
    Engine,
    Evaluated,
    Event,
    Failed,
    Finished,
    Ticked,
)
from finesweep.sweeps.failures import FailureStreak
from finesweep.sweeps.observer import SweepObserver
from finesweep.sweeps.pruners import describe_verdict
from finesweep.sweeps.record import write_start
from finesweep.sweeps.result import TrialSummary
from finesweep.sweeps.samplers import build_sampler
from finesweep.sweeps.space import propose
from finesweep.tracking import SweepRun
from finesweep.training.progress import FineTuned, Tick

TRACEBACK_FILE = "traceback.txt"


class Coordinator:
    """Runs the trials that a sweep still needs."""

    def __init__(
        self,
        study: optuna.Study,
        config: SweepConfig,
        *,
        sweep_run: SweepRun,
        engine: Engine,
        observer: SweepObserver,
        workdir: Path,
    ) -> None:
        self._study = study
        self._config = config
        self._sweep_run = sweep_run
        self._engine = engine
        self._observer = observer
        self._workdir = workdir
        self._running: dict[int, RunningTrial] = {}
        self._streak = FailureStreak()
        self._deadline = math.inf if config.timeout is None else monotonic() + config.timeout

    def run(self) -> str:
        """Run trials until none is left to run, or the time is up; returns why it stopped.

        Raises:
            SweepFailedError: the same error came in several trials in a row.
        """
        while True:
            self._fill_slots()
            if not self._running:
                return self._why_it_stopped()
            for event in self._engine.wait():
                self._handle(event)

    def abandon(self, reason: str) -> None:
        """Stop every running trial at once; each is run again when the sweep goes on."""
        for number in self._running:
            self._engine.cancel(number)
        for running in list(self._running.values()):
            self._end(running, Verdict(ending="interrupted", reason=f"interrupted: {reason}"))

    def _fill_slots(self) -> None:
        while self._engine.idle_slots and monotonic() < self._deadline:
            trials = self._study.get_trials(deepcopy=False)
            if not progress.trials_left(trials, self._config):
                break
            self._start_trial(trials)

    def _why_it_stopped(self) -> str:
        trials = self._study.get_trials(deepcopy=False)
        if progress.trials_left(trials, self._config):
            return f"the time is up ({self._config.timeout:g} s)"
        return progress.describe_end(trials, self._config)

    def _start_trial(self, trials: Sequence[FrozenTrial]) -> None:
        config = self._config
        self._study.sampler = build_sampler(config, trials)
        trial = self._study.ask()
        hyperparameters = propose(trial, space=config.space, experiment=config.experiment)
        run = self._sweep_run.start_trial(trial.number, hyperparameters)
        write_start(trial, run_id=run.run_id)
        folder = self._workdir / f"trial-{trial.number:03d}"
        self._running[trial.number] = RunningTrial(
            trial=trial, run=run, hyperparameters=hyperparameters, folder=folder
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._engine.submit(
            Assignment(
                trial=trial.number, hyperparameters=hyperparameters, output=folder / "checkpoint"
            )
        )
        self._observer.trial_started(trial.number, hyperparameters, run.run_id)

    def _handle(self, event: Event) -> None:
        running = self._running[event.trial]
        match event:
            case Ticked():
                self._on_tick(running, event.tick)
            case Finished():
                self._on_finished(running, event.result)
            case Failed() if event.diverged:
                self._end(running, Verdict(ending="diverged", reason=f"diverged: {event.reason}"))
            case Failed():
                running.run.log_text(event.traceback, TRACEBACK_FILE)
                self._on_error(running, kind=event.kind, reason=event.reason)
            case Died():
                self._on_error(running, kind="WorkerDied", reason=event.detail)
            case Evaluated():
                raise RuntimeError("an evaluation ended while trials were running")

    def _on_tick(self, running: RunningTrial, tick: Tick) -> None:
        running.metrics, running.trained = dict(tick.metrics), tick.seconds
        running.run.log_tick(tick)
        self._observer.ticked(running.number, tick, running.total_ticks)
        running.verdict = self._judge(running, tick)
        self._engine.answer(running.number, "stop" if running.verdict else "continue")

    def _judge(self, running: RunningTrial, tick: Tick) -> Verdict | None:
        """Whether to stop the trial at this tick. A trial at its last tick has nothing to save."""
        metric = self._config.experiment.metric
        value = tick.metrics.get(metric)
        if value is None:
            return Verdict(ending="failed", reason=f"tick {tick.number} reported no {metric}")
        if not math.isfinite(value):
            reason = f"diverged: {metric} is {value} at tick {tick.number}"
            return Verdict(ending="diverged", reason=reason)
        running.trial.report(value, step=tick.number)
        # Asked even at the last tick, where rungs take note of the value.
        prune = running.trial.should_prune()
        if tick.number >= running.total_ticks:
            return None
        if prune:
            why = describe_verdict(self._config.pruner)
            reason = f"pruned at tick {tick.number}: {metric} {value:.4g} is {why}"
            return Verdict(ending="pruned", reason=reason)
        if monotonic() >= self._deadline:
            reason = f"timeout: stopped at tick {tick.number} of {running.total_ticks}"
            return Verdict(ending="timeout", reason=reason)
        return None

    def _on_finished(self, running: RunningTrial, result: FineTuned) -> None:
        running.metrics, running.trained = dict(result.metrics), result.seconds
        running.run.set_tags({"finesweep.precision": result.precision})
        if running.verdict is not None:
            self._end(running, running.verdict)
            return
        metric = self._config.experiment.metric
        value = result.metrics.get(metric)
        if value is None or result.checkpoint is None:
            missing = metric if value is None else "checkpoint"
            self._on_error(running, kind="TrainerError", reason=f"the trainer left no {missing}")
        elif not math.isfinite(value):
            reason = f"diverged: {metric} is {value} at the end"
            self._end(running, Verdict(ending="diverged", reason=reason))
        else:
            self._complete(running, result.checkpoint, value=value)

    def _complete(self, running: RunningTrial, checkpoint: Path, *, value: float) -> None:
        packaged = registry.package(
            checkpoint,
            running.folder / "model",
            max_length=running.hyperparameters.max_length,
        )
        running.run.log_model(packaged)
        self._forget(running, end_complete(self._study, running, value=value))

    def _on_error(self, running: RunningTrial, *, kind: str, reason: str) -> None:
        self._end(running, Verdict(ending="failed", reason=f"{kind}: {reason}"))
        self._streak.add(kind, reason)

    def _end(self, running: RunningTrial, verdict: Verdict) -> None:
        self._forget(running, end_early(self._study, running, verdict))

    def _forget(self, running: RunningTrial, summary: TrialSummary) -> None:
        """The trial has ended in every place: show it."""
        del self._running[running.number]
        if summary.state != "failed":
            self._streak.clear()
        self._observer.trial_ended(summary)
