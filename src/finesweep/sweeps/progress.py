"""How far the trials of a study have come towards the sweep's total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig
from finesweep.sweeps.grid import Grid
from finesweep.sweeps.record import counts, record_of


def trials_done(trials: Sequence[FrozenTrial]) -> int:
    """How many trials count towards the total: complete, pruned and failed ones."""
    return sum(map(counts, trials))


def trials_left(trials: Sequence[FrozenTrial], config: SweepConfig) -> int:
    """How many trials can be started now; running ones are taken as good as done."""
    running = _count(trials, TrialState.RUNNING)
    left = max(0, config.trials - trials_done(trials) - running)
    if config.sampler.name != "grid":
        return left
    waiting = _count(trials, TrialState.WAITING)
    return min(left, waiting + len(Grid.of(config.space).unvisited(trials)))


def describe_end(trials: Sequence[FrozenTrial], config: SweepConfig) -> str:
    """Why no trial is left to start."""
    if trials_done(trials) >= config.trials:
        return f"all {config.trials} trials are done"
    points = len(Grid.of(config.space).points())
    return f"all {points} points of the grid are done, fewer than {config.trials} trials"


def endings(trials: Sequence[FrozenTrial]) -> Counter[str]:
    """How many finished trials ended in which way."""
    return Counter(record_of(trial).ending for trial in trials if trial.state.is_finished())


def _count(trials: Sequence[FrozenTrial], state: TrialState) -> int:
    return sum(bool(trial.state == state) for trial in trials)
