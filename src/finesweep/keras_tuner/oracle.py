"""KerasTuner's oracle on an Optuna study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from finesweep.keras_tuner.active_values import ActiveValues
from finesweep.keras_tuner.algorithms import (
    GRID,
    check_sampler,
    has_next,
    pruner_of,
    sampler_for,
)
from finesweep.keras_tuner.attempts import Attempts, Outcome, last_line, metrics_of
from finesweep.keras_tuner.files import write_json
from finesweep.keras_tuner.project_study import locked, open_project_study
from finesweep.keras_tuner.search_log import SearchAbout, SearchLog
from finesweep.sweeps.record import RUN_ID
from finesweep.tracking import RunStatus

CHECKPOINT_FILE = "checkpoint.weights.h5"
_FINAL = (TrialStatus.COMPLETED, TrialStatus.FAILED)


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How a search is conducted, beyond what every oracle knows.

    ``storage`` is a database URL, or None for a file in the project's folder; ``experiment`` is
    MLflow's, or None for one named after the project. ``settings`` go on record with the search.
    """

    sampler: str | BaseSampler
    pruner: str | BasePruner | None
    storage: str | None
    experiment: str | None
    overwrite: bool
    settings: Mapping[str, str | int | float]


class StudyOracle(keras_tuner.Oracle):
    """Has a study propose, and both the study and MLflow learn what becomes of it.

    KerasTuner's own files (``oracle.json``, ``trial_*/trial.json``) are kept as ever, but for each
    being written in one step: what they say of a trial that has ended is carried over to the study
    if the process was killed in between. A trial that had not ended is tried again with the same
    values.

    Trials are created and ended within ``searching`` only: one search at a time holds the project.
    """

    hyperparameters: ActiveValues

    def __init__(self, conduct: Conduct, **options: Any) -> None:
        super().__init__(**options)
        self.hyperparameters = ActiveValues.of(self.hyperparameters)
        check_sampler(conduct.sampler)
        self._pruner = pruner_of(conduct.pruner)
        self._conduct = conduct
        self._attempts: Attempts | None = None
        self._log: SearchLog | None = None

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Hold the project and its study, and tell MLflow, for as long as a search lasts.

        Raises:
            StudyError: another process searches in the project, or the study cannot be used.
        """
        storage = self._conduct.storage
        with locked(self._folder, name=self._project_name, storage=storage):
            study = open_project_study(
                self._folder,
                name=self._project_name,
                objective=self.objective,
                pruner=self._pruner,
                storage=storage,
                anew=self._conduct.overwrite and not self.trials,
            )
            self._attempts = Attempts(
                study,
                sampler=sampler_for(self._conduct.sampler, seed=self.seed),
                tuned=None if self.tune_new_entries else self.hyperparameters,
            )
            self._log = SearchLog(study, self._about(), folder=self._folder)
            how: RunStatus = "FINISHED"
            ending, reason = "completed", None
            try:
                self._carry_out()
                self._log.catch_up()
                yield
            except Exception as error:
                how, ending, reason = "FAILED", "failed", last_line(str(error))
                raise
            except BaseException:
                how, ending, reason = "KILLED", "interrupted", "the search was interrupted"
                raise
            finally:
                for trial_id in self._attempts.running:
                    self._end(trial_id, Outcome(ending="interrupted", reason=reason))
                self._log.close(how, ending=ending, reason=reason, best=self._best())
                self._attempts = self._log = None

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Values the study proposes, none of them tried before; STOPPED when there are no more."""
        attempts = self._searched()
        for _ in range(self._max_collisions):
            if not has_next(self._conduct.sampler, attempts.trials()):
                break
            values = attempts.propose(trial_id, self.hyperparameters.space)
            if not self._duplicate(values):
                return {"status": TrialStatus.RUNNING, "values": values}
            known = Outcome(ending="known", reason="these values were tried", values=values)
            self._end(trial_id, known)
            if self._conduct.sampler != GRID:
                return self._anything_new(trial_id)
            # The grid knows them too now, and what failed comes last: nothing is left out.
        return {"status": TrialStatus.STOPPED, "values": None}

    def _anything_new(self, trial_id: str) -> dict[str, Any]:
        """Values drawn at random, none of them tried before."""
        values = self._random_values()
        if values is None:
            return {"status": TrialStatus.STOPPED, "values": None}
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = values
        self._searched().begin(trial_id, hyperparameters)
        return {"status": TrialStatus.RUNNING, "values": values}

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial, with an attempt of its own in the study; see KerasTuner."""
        attempts = self._searched()
        trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.RUNNING:
            if trial.trial_id not in attempts.running:
                self._try_again(trial)
            assert self._log is not None
            values = trial.hyperparameters.values
            run_id = self._log.begin(attempts.frozen(trial.trial_id), values)
            if run_id is not None:
                attempts.note(trial.trial_id, {RUN_ID: run_id})
        return trial

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Record how a trial ended, or that it is tried again; see KerasTuner."""
        try:
            super().end_trial(trial)
        finally:
            if trial.trial_id in self._searched().running:
                self._end(trial.trial_id, self._outcome(self.trials[trial.trial_id]))

    def epoch(
        self, trial_id: str, *, epoch: int, execution: int, metrics: Mapping[str, float]
    ) -> bool:
        """Take the metrics of an epoch; whether the pruner wants the trial to end here.

        Epochs and executions count from 0. The pruner compares first executions only.
        """
        attempts = self._attempts
        if attempts is None or self._log is None or trial_id not in attempts.running:
            return False
        prefix = f"execution_{execution + 1}/" if execution else ""
        # A metric by class, as an F1 score without an average, is its mean to KerasTuner.
        points = {f"{prefix}{name}": float(np.mean(value)) for name, value in metrics.items()}
        self._log.epoch(attempts.number(trial_id), step=epoch, metrics=points)
        if execution or not self.objective.has_value(metrics):
            return False
        value = float(np.mean(self.objective.get_value(metrics)))
        return attempts.report(trial_id, epochs=epoch + 1, value=value)

    def is_pruned(self, trial_id: str) -> bool:
        """Whether the pruner has ended the trial that is running."""
        return self._attempts is not None and self._attempts.is_pruned(trial_id)

    def ran_to_its_end(self, trial_id: str) -> None:
        """Take it that a trial was not pruned after all: the pruner spoke at its last epoch."""
        if self._attempts is not None and self.is_pruned(trial_id):
            self._attempts.forgive(trial_id)

    def save(self) -> None:
        """Write ``oracle.json``, in one step."""
        write_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        folder = Path(self._get_trial_dir(trial.trial_id))
        write_json(folder / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Read what is on record, and queue every trial that had not ended.

        A process may have been killed after it wrote a trial and before it wrote ``oracle.json``.
        """
        super().reload()
        self.hyperparameters = ActiveValues.of(self.hyperparameters)
        for trial_id, trial in sorted(self.trials.items()):
            trial.hyperparameters = ActiveValues.of(trial.hyperparameters)
            self._record_values(trial)
            if trial_id not in self.start_order:
                self.start_order.append(trial_id)
            if trial.status in _FINAL and trial_id not in self.end_order:
                self.end_order.append(trial_id)
        unfinished = [name for name, trial in self.trials.items() if trial.status not in _FINAL]
        # KerasTuner takes from the end.
        self._retry_queue = sorted(unfinished, reverse=True)

    @property
    def _folder(self) -> Path:
        return Path(self._project_dir)

    def _searched(self) -> Attempts:
        if self._attempts is None:
            raise RuntimeError("trials are created and ended within Tuner.search() only")
        return self._attempts

    def _about(self) -> SearchAbout:
        sampler, pruner = self._conduct.sampler, self._pruner
        return SearchAbout(
            experiment=self._conduct.experiment or self._project_name,
            name=self._project_name,
            settings={
                "objective": self.objective.name,
                "direction": self.objective.direction,
                "sampler": sampler if isinstance(sampler, str) else type(sampler).__name__,
                "pruner": type(pruner).__name__,
                "seed": self.seed,
                **self._conduct.settings,
            },
            space=self.hyperparameters.get_config()["space"],
        )

    def _carry_out(self) -> None:
        """Have the study and MLflow hear how the attempts of a dead process ended."""
        attempts = self._searched()
        for left in attempts.left_running():
            trial_id = attempts.take_over(left)
            trial = self.trials.get(trial_id)
            if trial is not None and trial.status in _FINAL:
                self._end(trial_id, self._outcome(trial))
            else:
                reason = "the process that ran it ended without a word"
                self._end(trial_id, Outcome(ending="interrupted", reason=reason))

    def _try_again(self, trial: Trial) -> None:
        """Begin another attempt of a trial, with nothing left of the one before."""
        # KerasTuner takes metrics that are there for those of this attempt.
        trial.metrics, trial.message = MetricsTracker(), None
        trial.score, trial.best_step = None, 0
        self._save_trial(trial)
        self._searched().begin(trial.trial_id, trial.hyperparameters)

    def _outcome(self, trial: Trial) -> Outcome:
        return Outcome.of(trial, is_pruned=self.is_pruned(trial.trial_id))

    def _end(self, trial_id: str, outcome: Outcome) -> None:
        """End an attempt: its record first, then MLflow, and the study last."""
        attempts = self._searched()
        if trial_id in self.trials:
            attempts.add_parameters(trial_id, self.trials[trial_id].hyperparameters)
        attempts.write_outcome(trial_id, outcome)
        if self._log is not None and outcome.ending != "known":
            checkpoint = self._folder / f"trial_{trial_id}" / CHECKPOINT_FILE
            has_one = outcome.ending in ("completed", "pruned") and checkpoint.exists()
            self._log.conclude(
                attempts.frozen(trial_id), checkpoint=checkpoint if has_one else None
            )
        attempts.end(trial_id)

    def _best(self) -> dict[str, float]:
        best = self.get_best_trials(1)
        if not best or best[0].status != TrialStatus.COMPLETED:
            return {}
        return {f"best/{name}": value for name, value in metrics_of(best[0]).items()}
