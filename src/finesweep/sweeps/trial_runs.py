"""The MLflow runs of a sweep's trials: one each, whatever happened when it was begun."""

from __future__ import annotations

from collections.abc import Mapping

import optuna
from optuna.trial import FrozenTrial

from finesweep.errors import TrackingError
from finesweep.sweeps.record import RUN_ID
from finesweep.tracking import Outbox, SweepRun, TrialRun
from finesweep.training.drawing import Value
from finesweep.training.hyperparameters import Hyperparameters


class TrialRuns:
    """Begins the run of a trial, or finds the one it has.

    A run may exist that its trial does not know: the coordinator died, or the answer of the
    tracking server was lost, just after it was made. So the store is asked which runs there are,
    once, and again after every failure.
    """

    def __init__(self, sweep_run: SweepRun, outbox: Outbox) -> None:
        self._sweep_run = sweep_run
        self._outbox = outbox
        self._in_store: dict[int, str] | None = None

    def begin(
        self, trial: optuna.Trial, hyperparameters: Hyperparameters | Mapping[str, Value]
    ) -> TrialRun:
        """The run of a trial that is about to be handed out, RUNNING.

        Raises:
            TrackingError: the store cannot be reached, and the trial has no run yet.
        """
        run_id = self._known(trial)
        if run_id is not None:
            return self._sweep_run.adopt_trial(
                trial.number, run_id, outbox=self._outbox, hyperparameters=hyperparameters
            )
        try:
            return self._sweep_run.start_trial(trial.number, hyperparameters, outbox=self._outbox)
        except TrackingError:
            self._in_store = None
            raise

    def find(self, trial: FrozenTrial, *, ask_store: bool = True) -> TrialRun | None:
        """The run of a trial that somebody else left; None if it has none.

        Without ``ask_store`` only what the trial knows itself counts.

        Raises:
            TrackingError: the trial knows of none, and the store cannot be reached.
        """
        run_id = self._known(trial) if ask_store else trial.user_attrs.get(RUN_ID)
        return None if run_id is None else self.known(run_id)

    def known(self, run_id: str) -> TrialRun:
        """The run with this id, as it is."""
        return TrialRun(self._outbox, run_id, self._sweep_run.experiment_id)

    def _known(self, trial: optuna.Trial | FrozenTrial) -> str | None:
        noted: str | None = trial.user_attrs.get(RUN_ID)
        if noted is not None:
            return noted
        if self._in_store is None:
            self._in_store = {run.trial: run.run_id for run in self._sweep_run.trial_runs()}
        return self._in_store.get(trial.number)
