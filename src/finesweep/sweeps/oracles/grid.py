"""KerasTuner's grid search: every combination once, the last name varying fastest.

It has no seed. Of a continuous range, or one on a log scale, it takes the lower end and ten values
spread over it. KerasTuner's own oracle cannot go on with a search that another process began: which
combinations are done it knows by the order in which they were. Here they are known by their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from keras_tuner.oracles import GridSearchOracle
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from finesweep.sweeps.oracles._base import Proposal
from finesweep.sweeps.oracles.parameters import Coded, Space, from_oracle, hyperparameters_of
from finesweep.sweeps.space import values_of


class GridProposer:
    """Goes through the grid in KerasTuner's order and proposes the first that nobody has."""

    def __init__(self, oracle: GridSearchOracle, space: Space, *, visited: Iterable[Coded]) -> None:
        self._oracle = oracle
        self._space = space
        self._visited = {self._key(coded) for coded in visited}

    def propose(self, fixed: Coded) -> Proposal | None:
        """The first combination that agrees with what is fixed."""
        agreeing = (point for point in self._unvisited() if fixed.items() <= point.items())
        point = next(agreeing, None)
        return None if point is None else Proposal(values=from_oracle(point, self._space))

    def has_next(self) -> bool:
        """Whether a combination is left."""
        return next(self._unvisited(), None) is not None

    def _unvisited(self) -> Iterator[Coded]:
        return (point for point in self._points() if self._key(point) not in self._visited)

    def _points(self) -> Iterator[Coded]:
        point = {hp.name: hp.default for hp in self._oracle.get_space().space}
        while point is not None:
            yield point
            point = self._oracle._get_next_combination(point)

    def _key(self, coded: Coded) -> tuple[object, ...]:
        return tuple(coded.get(name) for name in self._space)


def kerastuners_values(distribution: BaseDistribution) -> Sequence[Any]:
    """The values of a distribution in KerasTuner's order, as Optuna has them: the default first.

    Raises:
        DrawingError: there are more than a grid may have points.
    """
    if isinstance(distribution, CategoricalDistribution):
        return values_of(distribution)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return _numbers(distribution)


# The same ones are asked for again and again; choices are not kept, for 1 is the same as True.
@lru_cache(maxsize=1024)
def _numbers(distribution: IntDistribution | FloatDistribution) -> Sequence[Any]:
    if distribution.step is not None and not distribution.log:
        values_of(distribution)  # raises if there are too many
    space = {"value": distribution}
    (known,) = hyperparameters_of(space).space
    coded = dict.fromkeys([known.default, *known.values])
    # Integers on a log scale may come to the same.
    return list(dict.fromkeys(from_oracle({"value": one}, space)["value"] for one in coded))
