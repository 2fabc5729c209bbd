"""How far the trials of a study have come towards the sweep's budgets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig
from finesweep.sweeps.branches import has_branches, left_alone
from finesweep.sweeps.grid import Grid
from finesweep.sweeps.record import is_parked, record_of
from finesweep.sweeps.samplers import seed_of


def trials_done(trials: Sequence[FrozenTrial]) -> int:
    """How many trials count towards the total: those that have ended for good."""
    return sum(trial.state.is_finished() for trial in trials)


def trials_left(trials: Sequence[FrozenTrial], config: SweepConfig) -> int:
    """How many trials can be started now; running ones are taken as good as done."""
    running, waiting = _count(trials, TrialState.RUNNING), _count(trials, TrialState.WAITING)
    left = max(0, config.trials - trials_done(trials) - running)
    if left > waiting:
        left = int(min(left, waiting + _new_ones(trials, config)))
    if is_out_of_patience(trials, config):
        # What was begun is brought to its end.
        left = min(left, sum(map(is_parked, trials)))
    return left


def is_out_of_patience(trials: Sequence[FrozenTrial], config: SweepConfig) -> bool:
    """Whether as many trials as ``patience`` allows ended since the last improvement."""
    if config.patience is None:
        return False
    sign = 1 if config.experiment.direction == "maximize" else -1
    ended = [trial for trial in trials if trial.state.is_finished()]
    best, since = -float("inf"), 0
    for trial in sorted(ended, key=lambda trial: (trial.datetime_complete, trial.number)):
        value = sign * trial.value if trial.state == TrialState.COMPLETE else -float("inf")
        best, since = (value, 0) if value > best else (best, since + 1)
    return since >= config.patience


def describe_end(trials: Sequence[FrozenTrial], config: SweepConfig) -> str:
    """Why no trial is left to start."""
    if trials_done(trials) >= config.trials:
        return f"all {config.trials} trials are done"
    if is_out_of_patience(trials, config):
        return f"no improvement in {config.patience} trials ({trials_done(trials)} are done)"
    nothing = f"{config.sampler.name} has nothing left to try ({trials_done(trials)} are done)"
    if config.hypermodel is not None:
        alone = left_alone(trials) if config.sampler.is_grid else 0
        return f"{nothing}; {_left_alone_in_words(alone)}" if alone else nothing
    if config.sampler.name != "grid":
        return nothing
    points = len(Grid.of(config.space).points())
    return f"all {points} points of the grid are done, fewer than {config.trials} trials"


def _left_alone_in_words(branches: int) -> str:
    which = "one combination was" if branches == 1 else f"{branches} combinations were"
    return f"{which} left alone after failing twice before training"


def endings(trials: Sequence[FrozenTrial]) -> Counter[str]:
    """How many finished trials ended in which way."""
    return Counter(record_of(trial).ending for trial in trials if trial.state.is_finished())


def _new_ones(trials: Sequence[FrozenTrial], config: SweepConfig) -> float:
    """How many trials the sampler would propose now; infinite where it is not known to end."""
    sampler = config.sampler
    if sampler.is_grid and config.hypermodel is not None:
        return math.inf if has_branches(config, trials) else 0
    if sampler.name == "grid":
        return len(Grid.of(config.space).unvisited(trials))
    if sampler.is_oracle:
        # It loads KerasTuner, and with it TensorFlow.
        from finesweep.sweeps.oracles.sampler import has_next

        return math.inf if has_next(config, trials, seed=seed_of(config, len(trials))) else 0
    return math.inf


def _count(trials: Sequence[FrozenTrial], state: TrialState) -> int:
    return [trial.state for trial in trials].count(state)
