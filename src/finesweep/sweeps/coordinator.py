"""The loop of a sweep: asks the study, hands trials to the engine, and answers every tick.

The coordinator is the only one that asks and tells. It knows neither how trials are run (the
engine does) nor how a sweep begins and ends (``sweep.py`` does).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial

from finesweep import registry
from finesweep.config import SweepConfig
from finesweep.errors import FinesweepError
from finesweep.sweeps import progress
from finesweep.sweeps.ending import RunningTrial, Verdict
from finesweep.sweeps.engines._base import (
    Asked,
    Died,
    Engine,
    Evaluated,
    Event,
    Failed,
    Finished,
    Noted,
    Ticked,
    WorkerReady,
)
from finesweep.sweeps.finishing import Finisher
from finesweep.sweeps.judge import Judge, answer_for
from finesweep.sweeps.lock import Hold
from finesweep.sweeps.news import StoreNews
from finesweep.sweeps.observer import SweepObserver
from finesweep.sweeps.starting import Starter
from finesweep.sweeps.stopping import StopRequest
from finesweep.sweeps.suggesting import suggested, take_note
from finesweep.sweeps.trial_runs import TrialRuns
from finesweep.tracking import Delivery
from finesweep.training.progress import Tick

# How often signals, the clock and the tracking store are looked at while no event comes.
LOOK_SECONDS = 0.5


class Coordinator:
    """Runs the trials that a sweep still needs."""

    def __init__(
        self,
        study: optuna.Study,
        config: SweepConfig,
        *,
        runs: TrialRuns,
        delivery: Delivery,
        news: StoreNews,
        engine: Engine,
        observer: SweepObserver,
        stop: StopRequest,
        hold: Hold,
        workdir: Path,
    ) -> None:
        self._study = study
        self._config = config
        self._delivery = delivery
        self._news = news
        self._engine = engine
        self._observer = observer
        self._stop = stop
        self._hold = hold
        self._judge = Judge(config, stop=stop)
        self._running: dict[int, RunningTrial] = {}
        self._starter = Starter(study, config, runs=runs, workdir=workdir)
        self._finisher = Finisher(
            study, config, runs=runs, observer=observer, workdir=workdir, running=self._running
        )
        self._loaded: set[int] = set()
        self._told_stopping = False
        self._looked = -math.inf

    def run(self) -> str:
        """Run trials until none is left to run, or the time is up; returns why it stopped.

        Raises:
            SweepFailedError: the same error came in several trials in a row.
            DiskFullError: there is no space left.
            UserError: no worker can be set up, for a mistake that only the user can put right.
            TrackingError: the tracking store has been away for long, and nothing is left to train.
        """
        self._finisher.tidy()
        self._fill_slots()
        if self._running:
            # While the workers load: the first of them to end a trial would wait for it.
            registry.warm_up()
        while self._running or self._waits_for_store:
            self._handle_all(self._engine.wait(LOOK_SECONDS))
            self._end_what_only_loads()
            self._look_around()
            self._fill_slots()
        return self._why_it_stopped()

    def abandon(self, reason: str) -> None:
        """Stop every running trial at once; each goes on from its last resume point."""
        verdict = Verdict(ending="interrupted", reason=f"interrupted: {reason}")
        for running in list(self._running.values()):
            self._engine.cancel(running.number)
        for running in list(self._running.values()):
            # One that cannot be ended must not keep the others from it; the next call takes it up.
            with suppress(FinesweepError, OSError, StorageInternalError):
                self._finisher.end(running, running.verdict or verdict)

    @property
    def _is_to_end(self) -> bool:
        """Whether no trial is started any more: somebody asked, or the time is up."""
        return self._stop.is_asked or self._judge.time_is_up

    @property
    def _waits_for_store(self) -> bool:
        """Whether a trial could begin if the tracking store gave it a run."""
        if self._is_to_end or not self._starter.store.is_away:
            return False
        trials = self._study.get_trials(deepcopy=False)
        return progress.trials_left(trials, self._config) > 0

    @property
    def _may_start(self) -> bool:
        """Whether a trial can be started now.

        While the delivery meets a store that is away, nobody else asks it: a request that hangs
        would let the workers stand still.
        """
        away = self._delivery.state.away_since is not None and bool(self._running)
        return not self._is_to_end and not away and self._starter.store.may_be_asked

    def _fill_slots(self) -> None:
        while self._engine.idle_slots and self._may_start:
            trials = self._study.get_trials(deepcopy=False)
            if not progress.trials_left(trials, self._config):
                break
            self._start_trial(trials)

    def _why_it_stopped(self) -> str:
        if self._stop.is_asked:
            return self._stop.reason
        trials = self._study.get_trials(deepcopy=False)
        if progress.trials_left(trials, self._config):
            return f"the time is up ({self._config.timeout:g} s)"
        return progress.describe_end(trials, self._config)

    def _start_trial(self, trials: Sequence[FrozenTrial]) -> None:
        started = self._starter.start(trials, anything_runs=bool(self._running))
        if started is not None:
            running, assignment = started
            self._running[running.number] = running
            self._engine.submit(assignment)
            self._looked = -math.inf  # whoever asks for the status is to see this trial
            self._observer.trial_started(
                running.number, running.hyperparameters, running.run.run_id
            )

    def _handle_all(self, events: Sequence[Event]) -> None:
        """Handle every event, the last one too if the first is the end of the sweep.

        The engine tells each event once: one that was not handled would be lost.
        """
        errors: list[FinesweepError] = []
        for event in events:
            try:
                self._handle(event)
            except FinesweepError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _handle(self, event: Event) -> None:
        match event:
            case WorkerReady():
                self._loaded.add(event.pid)
                self._observer.worker_ready(event)
            case Ticked():
                self._on_tick(self._running[event.trial], event.tick)
            case Asked():
                running = self._running[event.trial]
                self._engine.answer(event.trial, suggested(self._study, running, event))
            case Noted():
                take_note(self._running[event.trial], event)
            case Finished():
                self._finisher.finish(self._running[event.trial], event.result)
            case Failed() | Died():
                self._finisher.fail(self._running[event.trial], event)
            case Evaluated():
                raise RuntimeError("an evaluation ended while trials were running")

    def _on_tick(self, running: RunningTrial, tick: Tick) -> None:
        running.metrics, running.trained = dict(tick.metrics), tick.seconds
        if tick.number not in running.reported:
            running.run.log_tick(tick)
        self._observer.ticked(running.number, tick, running.total_ticks)
        running.verdict = self._judge.at_tick(running, tick)
        self._engine.answer(running.number, answer_for(running.verdict))

    def _end_what_only_loads(self) -> None:
        """When the sweep is to end, do not wait for workers that have not begun to train."""
        if not self._is_to_end:
            return
        training = {worker.trial for worker in self._engine.workers if worker.pid in self._loaded}
        for running in list(self._running.values()):
            verdict = self._judge.between_ticks("while its worker loaded")
            if running.number not in training and verdict is not None:
                self._engine.cancel(running.number)
                self._finisher.end(running, verdict)

    def _look_around(self) -> None:
        """Show others how the sweep stands, and the observer whether MLflow can be reached."""
        if self._stop.is_asked and not self._told_stopping:
            self._told_stopping = True
            self._observer.stopping(self._stop.reason)
        # Not after every event: looking takes longer than all else that is done at a tick.
        if monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = monotonic()
            self._hold.show(self._engine.workers)
            self._news.tell(unanswered=self._starter.store.reason)
