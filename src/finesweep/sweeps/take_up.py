"""Puts in order what an earlier call of the sweep left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna

from finesweep.config import SweepConfig
from finesweep.sweeps.ending import carry_out
from finesweep.sweeps.retention import TRIAL_FOLDER
from finesweep.sweeps.study import left_running
from finesweep.sweeps.trial_runs import TrialRuns


def take_up(
    study: optuna.Study,
    config: SweepConfig,
    *,
    runs: TrialRuns,
    workdir: Path,
    ask_store: bool = True,
) -> list[int]:
    """End or park the trials that a dead coordinator left RUNNING; their numbers.

    Folders of trials that have ended are removed. The caller holds the study's lock. A trial that
    knows of no run may have one: the store is asked for it, unless ``ask_store`` is False.
    """
    left = left_running(study)
    for trial in left:
        carry_out(
            study, trial, run=runs.find(trial, ask_store=ask_store), metric=config.experiment.metric
        )
    ended = {
        trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()
    }
    for folder in workdir.glob(f"{TRIAL_FOLDER}*"):
        number = folder.name.removeprefix(TRIAL_FOLDER)
        if number.isdigit() and int(number) in ended:
            shutil.rmtree(folder, ignore_errors=True)
    return [trial.number for trial in left]
