"""Puts in order what an earlier call of the sweep left behind."""

from __future__ import annotations

from pathlib import Path

import optuna

from finesweep.config import SweepConfig
from finesweep.sweeps.ending import carry_out
from finesweep.sweeps.oracles.continuing import remove_ended
from finesweep.sweeps.starting import RESUME_POINT
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
    remove_ended(study.get_trials(deepcopy=False), config, workdir=workdir, keep=RESUME_POINT)
    return [trial.number for trial in left]
