"""How what a worker tells of a trial's end is carried out, in the study, in MLflow and on disk."""

from __future__ import annotations

import math
from pathlib import Path

import optuna

from finesweep import registry
from finesweep.config import SweepConfig
from finesweep.errors import UserError
from finesweep.sweeps.attempts import describe_next
from finesweep.sweeps.blame import Blame, blame_for, blame_for_error
from finesweep.sweeps.disk import no_space_left
from finesweep.sweeps.ending import RunningTrial, Verdict, end_complete, end_early
from finesweep.sweeps.engines._base import Died, Failed
from finesweep.sweeps.failures import FailureStreak
from finesweep.sweeps.observer import SweepObserver
from finesweep.sweeps.oracles.continuing import remove_ended
from finesweep.sweeps.record import RUN_ID, drawn_of
from finesweep.sweeps.result import Ending, TrialSummary
from finesweep.sweeps.retention import Retention, folder_size
from finesweep.sweeps.starting import RESUME_POINT
from finesweep.sweeps.trial_runs import TrialRuns
from finesweep.tracking.sending import CHECKPOINT_TAG
from finesweep.training.progress import FineTuned

PRECISION_TAG = "finesweep.precision"


class Finisher:
    """Ends the trials that ``Starter`` began, and decides whose model stays.

    ``running`` are those in the hands of workers, by number: one that has ended in every place is
    taken out. Where something is raised before that, it is still there.
    """

    def __init__(
        self,
        study: optuna.Study,
        config: SweepConfig,
        *,
        runs: TrialRuns,
        observer: SweepObserver,
        workdir: Path,
        running: dict[int, RunningTrial],
    ) -> None:
        self._study = study
        self._config = config
        self._runs = runs
        self._observer = observer
        self._workdir = workdir
        self._running = running
        self._retention = Retention(study, config, workdir=workdir)
        self._streak = FailureStreak(limit=config.max_failures)

    def tidy(self) -> None:
        """Remove the models that are too many, or too much for the disk."""
        self._retention.tidy(self._remove_model)

    def finish(self, running: RunningTrial, result: FineTuned) -> None:
        """End a trial whose training came to its end, or was told to stop."""
        running.metrics, running.trained = dict(result.metrics), result.seconds
        running.run.set_tags({PRECISION_TAG: result.precision})
        if running.verdict is not None:
            self.end(running, running.verdict)
            return
        metric = self._config.experiment.metric
        value = result.metrics.get(metric)
        if value is None or result.checkpoint is None:
            missing = metric if value is None else "checkpoint"
            self._blame(running, blame_for_error("TrainerError", f"the trainer left no {missing}"))
        elif not math.isfinite(value):
            reason = f"diverged: {metric} is {value} at the end"
            self.end(running, Verdict(ending="diverged", reason=reason))
        else:
            self._complete(running, result.checkpoint, value=value)

    def fail(self, running: RunningTrial, event: Failed | Died) -> None:
        """End an attempt whose training, or whose worker, broke off.

        Raises:
            SweepFailedError: the same error came in several trials in a row.
            DiskFullError: there is no space left.
            UserError: no worker can be set up, for a mistake that only the user can put right.
        """
        if running.verdict is not None and event.cause not in ("disk_full", "set_up"):
            # It was to end anyway; all it can have lost is its newest resume point.
            self.end(running, running.verdict)
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

    def end(self, running: RunningTrial, verdict: Verdict) -> bool:
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

    def _blame(self, running: RunningTrial, blame: Blame) -> None:
        goes_on = self.end(running, blame.verdict)
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
        self.tidy()

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
