"""What a sweep would try first, worked out in memory."""

from __future__ import annotations

from collections.abc import Sequence

import optuna

from finesweep.config import SweepConfig
from finesweep.sweeps.progress import trials_left
from finesweep.sweeps.samplers import build_sampler
from finesweep.sweeps.space import propose
from finesweep.sweeps.study import enqueue_first, silence_optuna
from finesweep.sweeps.warm_start.earlier import EarlierTrial
from finesweep.training.hyperparameters import Hyperparameters


def first_proposals(
    config: SweepConfig, count: int, *, earlier: Sequence[EarlierTrial] = ()
) -> list[Hyperparameters]:
    """The first ``count`` trials of a sweep, or all if it has fewer; nothing is stored.

    They are what the sweep will try as long as the sampler does not learn from results yet: the
    enqueued trials, and the startup trials of TPE and CMA-ES. After those it is a likely example.
    Of a grid over a hypermodel only these are known, or the very first. ``earlier`` are the trials
    that it is warm-started with.
    """
    silence_optuna()
    if config.sampler.is_grid and config.hypermodel is not None:
        # What comes next depends on what the hypermodel drew.
        count = min(count, max(1, len(config.enqueue)))
    study = optuna.create_study(direction=config.experiment.direction)
    enqueue_first(study, config)
    proposals: list[Hyperparameters] = []
    while len(proposals) < count:
        trials = study.get_trials(deepcopy=False)
        if not trials_left(trials, config):
            break
        study.sampler = build_sampler(config, trials, number=len(proposals), earlier=earlier)
        trial = study.ask()
        proposals.append(propose(trial, space=config.study_space, experiment=config.experiment))
    return proposals
