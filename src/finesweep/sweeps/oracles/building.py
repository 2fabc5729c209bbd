"""The oracle a sweep's configuration asks for, with the trials of its study."""

from __future__ import annotations

from collections.abc import Sequence

from keras_tuner import Objective
from keras_tuner.oracles import (
    BayesianOptimizationOracle,
    GridSearchOracle,
    RandomSearchOracle,
)
from optuna.trial import FrozenTrial

from finesweep.config import SweepConfig
from finesweep.sweeps.branches import closed_by_failures
from finesweep.sweeps.oracles._base import Proposer
from finesweep.sweeps.oracles.brackets import Brackets
from finesweep.sweeps.oracles.chance import BayesianProposer, RandomProposer
from finesweep.sweeps.oracles.grid import GridProposer
from finesweep.sweeps.oracles.history import coded_values, drawn_values, tell
from finesweep.sweeps.oracles.hyperband import HyperbandBegun, HyperbandProposer
from finesweep.sweeps.oracles.parameters import Space, hyperparameters_of
from finesweep.sweeps.record import broke_off


def build_proposer(
    config: SweepConfig, trials: Sequence[FrozenTrial], *, space: Space, seed: int
) -> Proposer:
    """The oracle that knows ``trials``, and proposes values of ``space``.

    ``trials`` are the others than the one it is to propose, in the order of their numbers.
    """
    # It knows nothing of our metrics, so their direction is told.
    direction = "max" if config.experiment.direction == "maximize" else "min"
    common = {
        "objective": Objective("objective", direction),
        "hyperparameters": hyperparameters_of(space),
        # KerasTuner takes 0 for no seed at all.
        "seed": seed or 1,
    }
    searched = config.space.entries().keys()
    telling = _telling(trials, config)
    match config.sampler.name:
        case "keras_tuner.bayesian":
            bayesian = BayesianOptimizationOracle(
                num_initial_points=config.sampler.n_startup_trials, **common
            )
            tell(bayesian, telling, space=space, searched=searched)
            return BayesianProposer(bayesian, space)
        case "keras_tuner.hyperband":
            brackets = Brackets.of(config)
            hyperband = HyperbandBegun(
                max_epochs=brackets.max_epochs,
                factor=brackets.factor,
                hyperband_iterations=brackets.iterations,
                **common,
            )
            tell(hyperband, trials, space=space, searched=searched)
            return HyperbandProposer(hyperband, space, trials=trials, brackets=brackets)
        case "keras_tuner.grid":
            visited = [coded_values(trial, space) for trial in trials]
            return GridProposer(GridSearchOracle(**common), space, visited=visited)
        case _:
            chance = RandomSearchOracle(**common)
            tell(chance, telling, space=space, searched=searched)
            return RandomProposer(
                chance, space, tried=drawn_values(telling, space=space, searched=searched)
            )


def _telling(trials: Sequence[FrozenTrial], config: SweepConfig) -> Sequence[FrozenTrial]:
    """The trials whose values say where there is nothing new.

    A hypermodel's that fails before it trains does so the second time, as in a grid.
    """
    if config.hypermodel is None:
        return trials
    closed = closed_by_failures(trials)
    return [
        trial
        for trial in trials
        if not broke_off(trial) or frozenset(trial.params.items()) in closed
    ]
