"""How a trial begins, or goes on: asked for, proposed, with its run and its folder."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from finesweep.config import SweepConfig
from finesweep.errors import TrackingError
from finesweep.sweeps.attempts import accumulation_of
from finesweep.sweeps.ending import RunningTrial
from finesweep.sweeps.engines._base import Assignment
from finesweep.sweeps.oracles.continuing import lineage, take_over_point
from finesweep.sweeps.record import failures_of, values_of, write_start
from finesweep.sweeps.retention import TRIAL_FOLDER
from finesweep.sweeps.samplers import build_sampler
from finesweep.sweeps.space import complete, propose
from finesweep.sweeps.store_watch import StoreWatch
from finesweep.sweeps.study import next_number, park
from finesweep.sweeps.trial_runs import TrialRuns
from finesweep.sweeps.warm_start.keeping import kept_trials

RESUME_POINT = "resume.safetensors"
ACCUMULATION_TAG = "finesweep.accumulation"


class Starter:
    """Makes the next trial ready to be handed out: one that waits for an attempt, or a new one.

    ``store`` is the patience with a tracking store that gives no run.
    """

    def __init__(
        self, study: optuna.Study, config: SweepConfig, *, runs: TrialRuns, workdir: Path
    ) -> None:
        self._study = study
        self._config = config
        self._runs = runs
        self._workdir = workdir
        self._earlier = kept_trials(study)
        self.store = StoreWatch(config.tracking_timeout)

    def start(
        self, trials: Sequence[FrozenTrial], *, anything_runs: bool
    ) -> tuple[RunningTrial, Assignment] | None:
        """The trial after ``trials`` and what its worker is told; None if the store is away.

        Raises:
            TrackingError: waiting for the store is of no use.
        """
        config, number = self._config, next_number(trials)
        self._study.sampler = sampler = build_sampler(
            config, trials, number=number, earlier=self._earlier
        )
        trial = self._study.ask()
        propose(trial, space=config.study_space, experiment=config.experiment)
        values = values_of(trial)
        hyperparameters = complete(values, experiment=config.experiment)
        try:
            # Which others are in effect with a hypermodel it says itself when it is built.
            run = self._runs.begin(trial, values if config.hypermodel else hyperparameters)
        except TrackingError as error:
            park(self._study, number)
            self.store.is_gone(error, anything_runs=anything_runs)
            return None
        self.store.is_there()
        folder = self._workdir / f"{TRIAL_FOLDER}{number:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        for abandoned in folder.glob("attempt-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        known = self._study.get_trials(deepcopy=False)
        take_over_point(known[number], resume_point=folder / RESUME_POINT)
        start = write_start(trial, run_id=run.run_id)
        # What was too much memory for the trial it goes on from is too much for this one.
        parts = max(accumulation_of(failures_of(each)) for each in lineage(known[number], known))
        if parts > 1:
            run.set_tags({ACCUMULATION_TAG: str(parts)})
        running = RunningTrial(
            trial=trial,
            sampler=sampler,
            run=run,
            hyperparameters=hyperparameters,
            folder=folder,
            attempt=start.attempt,
            accumulation=parts,
            trained=start.seconds,
            metrics=dict(start.metrics),
            reported=set(trials[number].intermediate_values) if number < len(trials) else set(),
        )
        searched = config.study_space.entries()
        given = {name: value for name, value in trial.params.items() if name in searched}
        assignment = Assignment(
            trial=number,
            # Not what an earlier attempt made of it: a hypermodel comes to that by itself again.
            hyperparameters=complete(given, experiment=config.experiment),
            # Of this attempt alone: a worker whose coordinator was killed may still be writing.
            output=folder / f"attempt-{uuid.uuid4().hex[:8]}" / "checkpoint",
            resume_point=folder / RESUME_POINT,
            accumulation=parts,
        )
        return running, assignment
