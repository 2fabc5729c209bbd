"""Grid search: every point of a finite space once, in an order shuffled by the seed.

Optuna's own grid sampler knows points by trial number and asks ``optimize`` to stop when it is
through; here points are known by their values, so that enqueued trials count as visited, and the
coordinator asks whether any is left.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from finesweep.config import SpaceConfig
from finesweep.sweeps.record import enqueued_values
from finesweep.sweeps.space import distributions, values_of
from finesweep.training.drawing import Value

Point = tuple[Value, ...]


@dataclass(frozen=True)
class Grid:
    """The points of a finite space: names, values by name, and the distributions they come from."""

    values: dict[str, tuple[Value, ...]]
    distributions: dict[str, BaseDistribution]

    @classmethod
    def of(cls, space: SpaceConfig) -> Grid:
        """The grid a finite space spans; the configuration has refused any other."""
        known = distributions(space)
        values = {name: tuple(values_of(each)) for name, each in known.items()}
        return cls(values=values, distributions=known)

    def points(self) -> list[Point]:
        """Every point, the last name varying fastest."""
        return list(itertools.product(*self.values.values()))

    def unvisited(self, trials: Sequence[FrozenTrial]) -> list[Point]:
        """The points that no trial has tried, is trying or is enqueued to try."""
        visited = {
            tuple(values.get(name) for name in self.values)
            for trial in trials
            for values in [{**enqueued_values(trial), **trial.params}]
        }
        return [point for point in self.points() if point not in visited]


class GridSampler(BaseSampler):
    """Proposes an unvisited point; any point when none is left, for whoever asks nevertheless."""

    def __init__(self, grid: Grid, *, trials: Sequence[FrozenTrial], seed: int) -> None:
        self._grid = grid
        self._order = grid.points()
        random.Random(seed).shuffle(self._order)
        unvisited = set(grid.unvisited(trials))
        self._candidates = [point for point in self._order if point in unvisited] or self._order

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002 (Optuna's signature, here and below)
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """The whole grid: its hyperparameters are chosen together."""
        return self._grid.distributions

    def sample_relative(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """The first unvisited point that agrees with what the trial was enqueued with."""
        fixed = enqueued_values(trial)
        points = [dict(zip(self._grid.values, point, strict=True)) for point in self._candidates]
        agreeing = (point for point in points if fixed.items() <= point.items())
        return next(agreeing, points[0])

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Never needed: the relative search space is the whole space."""
        raise NotImplementedError(f"{param_name} is not part of the grid")
