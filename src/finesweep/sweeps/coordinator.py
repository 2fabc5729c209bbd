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
from finesweep.errors import FinesweepError, UserError
from finesweep.sweeps import progress
from finesweep.sweeps.attempts import describe_next
from finesweep.sweeps.blame import Blame, blame_for, blame_for_error
from finesweep.sweeps.disk import no_space_left
from finesweep.sweeps.ending import RunningTrial, Verdict, end_complete, end_early
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
from finesweep.sweeps.failures import FailureStreak
from finesweep.sweeps.judge import Judge, answer_for
from finesweep.sweeps.lock import Hold
from finesweep.sweeps.news import StoreNews
from finesweep.sweeps.observer import SweepObserver
from finesweep.sweeps.oracles.continuing import remove_ended
from finesweep.sweeps.record import RUN_ID, drawn_of
from finesweep.sweeps.result import Ending, TrialSummary
from finesweep.sweeps.retention import Retention, folder_size
from finesweep.sweeps.starting import RESUME_POINT, Starter
from finesweep.sweeps.stopping import StopRequest
from finesweep.sweeps.suggesting import suggested, take_note
from finesweep.sweeps.trial_runs import TrialRuns
from finesweep.tracking import Delivery
from finesweep.tracking.sending import CHECKPOINT_TAG
from finesweep.training.progress import FineTuned, Tick

PRECISION_TAG = "finesweep.precision"

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
        self._runs = runs
        self._delivery = delivery
        self._news = news
        self._engine = engine
        self._observer = observer
        self._stop = stop
        self._hold = hold
        self._workdir = workdir
        self._judge = Judge(config, stop=stop)
        self._retention = Retention(study, config, workdir=workdir)
        self._running: dict[int, RunningTrial] = {}
        self._streak = FailureStreak(limit=config.max_failures)
        self._starter = Starter(study, config, runs=runs, workdir=workdir)
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
        self._retention.tidy(self._remove_model)
        while True:
            self._fill_slots()
            if not self._running and not self._waits_for_store:
                return self._why_it_stopped()
            self._handle_all(self._engine.wait(LOOK_SECONDS))
            self._end_what_only_loads()
            self._look_around()

    def abandon(self, reason: str) -> None:
        """Stop every running trial at once; each goes on from its last resume point."""
        verdict = Verdict(ending="interrupted", reason=f"interrupted: {reason}")
        for running in list(self._running.values()):
            self._engine.cancel(running.number)
        for running in list(self._running.values()):
            # One that cannot be ended must not keep the others from it; the next call takes it up.
            with suppress(FinesweepError, OSError, StorageInternalError):
                self._end(running, running.verdict or verdict)

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
                self._on_finished(self._running[event.trial], event.result)
            case Failed() | Died():
                self._on_failure(self._running[event.trial], event)
            case Evaluated():
                raise RuntimeError("an evaluation ended while trials were running")

    def _on_tick(self, running: RunningTrial, tick: Tick) -> None:
        running.metrics, running.trained = dict(tick.metrics), tick.seconds
        if tick.number not in running.reported:
            running.run.log_tick(tick)
        self._observer.ticked(running.number, tick, running.total_ticks)
        running.verdict = self._judge.at_tick(running, tick)
        self._engine.answer(running.number, answer_for(running.verdict))

    def _on_finished(self, running: RunningTrial, result: FineTuned) -> None:
        running.metrics, running.trained = dict(result.metrics), result.seconds
        running.run.set_tags({PRECISION_TAG: result.precision})
        if running.verdict is not None:
            self._end(running, running.verdict)
            return
        metric = self._config.experiment.metric
        value = result.metrics.get(metric)
        if value is None or result.checkpoint is None:
            missing = metric if value is None else "checkpoint"
            self._blame(running, blame_for_error("TrainerError", f"the trainer left no {missing}"))
        elif not math.isfinite(value):
            reason = f"diverged: {metric} is {value} at the end"
            self._end(running, Verdict(ending="diverged", reason=reason))
        else:
            self._complete(running, result.checkpoint, value=value)

    def _on_failure(self, running: RunningTrial, event: Failed | Died) -> None:
        if running.verdict is not None and event.cause not in ("disk_full", "set_up"):
            # It was to end anyway; all it can have lost is its newest resume point.
            self._end(running, running.verdict)
            return
        if event.cause == "failed":
            later = "" if running.attempt == 1 else f"-{running.attempt}"
            running.run.log_text(event.traceback, f"traceback{later}.txt")
        self._blame(running, blame_for(event))
        if event.cause == "disk_full":
            raise no_space_left(event.reason)
        if event.cause == "set_up":
            raise UserError(
                f"{event.reason}; mend it and run the same command: it goes on, no trial is lost"
            )

    def _blame(self, running: RunningTrial, blame: Blame) -> None:
        goes_on = self._end(running, blame.verdict)
        if blame.error is not None and not goes_on:
            self._streak.add(*blame.error)

    def _complete(self, running: RunningTrial, checkpoint: Path, *, value: float) -> None:
        if self._retention.is_worth_keeping(value):
            packaged = registry.package(
                checkpoint,
                checkpoint.parent / "model",
                max_length=running.hyperparameters.max_length,
            )
            self._retention.note(running.number, folder_size(packaged))
            running.run.log_model(packaged)
        else:
            running.run.set_tags({CHECKPOINT_TAG: f"not kept: {self._retention.why_not_kept()}"})
        end_complete(self._study, running, metric=self._config.experiment.metric)
        self._remove_ended()
        self._streak.clear()
        self._observer.trial_ended(self._forget(running, "completed"))
        self._retention.tidy(self._remove_model)

    def _end(self, running: RunningTrial, verdict: Verdict) -> bool:
        """End an attempt without a result; whether the trial goes on."""
        goes_on = end_early(self._study, running, verdict, retries=self._config.retries)
        summary = self._forget(running, verdict.ending, reason=verdict.reason)
        if goes_on:
            then = describe_next(verdict.ending, hyperparameters=running.hyperparameters)
            self._observer.trial_parked(summary, then)
        else:
            if verdict.ending not in ("failed", "out_of_memory"):
                self._streak.clear()
            self._observer.trial_ended(summary)
        return goes_on

    def _end_what_only_loads(self) -> None:
        """When the sweep is to end, do not wait for workers that have not begun to train."""
        if not self._is_to_end:
            return
        training = {worker.trial for worker in self._engine.workers if worker.pid in self._loaded}
        for running in list(self._running.values()):
            verdict = self._judge.between_ticks("while its worker loaded")
            if running.number not in training and verdict is not None:
                self._engine.cancel(running.number)
                self._end(running, verdict)

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

    def _remove_ended(self) -> None:
        """Remove what ended trials have in the working folder and no other goes on from."""
        trials = self._study.get_trials(deepcopy=False)
        remove_ended(trials, self._config, workdir=self._workdir, keep=RESUME_POINT)

    def _remove_model(self, number: int, reason: str) -> None:
        """Take a completed trial's model away, and let its run say so."""
        run_id = self._study.get_trials(deepcopy=False)[number].user_attrs[RUN_ID]
        self._runs.known(run_id).remove_model(reason)

    def _forget(
        self, running: RunningTrial, ending: Ending, *, reason: str | None = None
    ) -> TrialSummary:
        """The attempt has ended in every place: what is shown of it."""
        del self._running[running.number]
        return TrialSummary(
            number=running.number,
            state=ending,
            hyperparameters=running.hyperparameters,
            metrics=running.metrics,
            seconds=running.seconds,
            reason=reason,
            run_id=running.run.run_id,
            attempts=running.attempt,
            drawn=drawn_of(running.trial),
        )
