"""Grid search over a space that shows only as it is drawn: a hypermodel's.

Which hyperparameter comes next depends on the values before it, so the combinations are the leaves
of a tree, of which the trials so far have shown their own paths. A branch is done when each value
of each name in it leads to a trial. In which order a trial drew its values not every storage
remembers; it is not needed either: whoever takes a name that all trials of a branch have, in
whatever order, finds the same leaves missing.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig
from finesweep.sweeps.space import values_of

ValuesOf = Callable[[BaseDistribution], Sequence[Any]]
"""The values a grid has of a distribution, in its order; ``DrawingError`` if there is no end."""


class Branches:
    """The paths that trials have taken.

    A trial that runs counts as having drawn all it will draw: what may lie behind it is nobody
    else's while it does. One that ended before it drew anything says nothing.
    """

    def __init__(self, trials: Sequence[FrozenTrial], *, values_of: ValuesOf) -> None:
        self._values_of = values_of
        self._paths = [
            trial for trial in trials if trial.params or trial.state == TrialState.RUNNING
        ]

    @property
    def are_done(self) -> bool:
        """Whether no path is left that is known of."""
        return self._is_done(self._paths, frozenset())

    def values_left(
        self, drawn: Mapping[str, Any], name: str, distribution: BaseDistribution
    ) -> list[Any]:
        """The values of ``name`` that lead to something new, after those ``drawn`` already."""
        here = [path for path in self._paths if drawn.items() <= path.params.items()]
        known = frozenset([*drawn, name])
        by_value = _by_value(here, name)
        values = self._values_of(distribution)
        return [value for value in values if not self._is_done(by_value.get(value, []), known)]

    def _is_done(self, paths: Sequence[FrozenTrial], known: frozenset[str]) -> bool:
        """Whether the branch of these paths, which agree on the names ``known``, has no other."""
        if not paths:
            return False
        further = Counter(name for path in paths for name in path.params if name not in known)
        if not further:
            return True
        # All have the next one but those that ended, or stand, just before it.
        ((name, _),) = further.most_common(1)
        by_value = _by_value(paths, name)
        (newest, *_) = (p for p in reversed(paths) if name in p.params)
        values = self._values_of(newest.distributions[name])
        deeper = known | {name}
        return all(self._is_done(by_value.get(value, []), deeper) for value in values)


class BranchSampler(BaseSampler):
    """Draws one name after another, values that lead to something new.

    ``seed`` chooses among them; without one it is always the first, and the last name varies
    fastest. When nothing is left any value is drawn, for whoever asks nevertheless.
    """

    def __init__(self, *, values_of: ValuesOf, seed: int | None) -> None:
        self._values_of = values_of
        self._seed = seed

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002 (Optuna's signature, here and below)
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Nothing: which names there are depends on the values."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing, for a search space of nothing."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value that leads to something new."""
        others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        branches = Branches(others, values_of=self._values_of)
        left = branches.values_left(trial.params, param_name, param_distribution)
        values = left or list(self._values_of(param_distribution))
        if self._seed is None:
            return values[0]
        # Of the name too: a trial that is taken up again may have drawn some of them.
        return random.Random(f"{self._seed} {param_name}").choice(values)


def branch_sampler(config: SweepConfig, *, seed: int) -> BranchSampler:
    """The sampler of a grid over a hypermodel."""
    is_kerastuners = config.sampler.is_oracle
    return BranchSampler(values_of=_values_for(config), seed=None if is_kerastuners else seed)


def has_branches(config: SweepConfig, trials: Sequence[FrozenTrial]) -> bool:
    """Whether the grid over a hypermodel has something left that ``trials`` let know of."""
    return not Branches(trials, values_of=_values_for(config)).are_done


def _values_for(config: SweepConfig) -> ValuesOf:
    if not config.sampler.is_oracle:
        return values_of
    # It loads KerasTuner, and with it TensorFlow.
    from finesweep.sweeps.oracles.grid import kerastuners_values

    return kerastuners_values


def _by_value(paths: Sequence[FrozenTrial], name: str) -> Mapping[Any, list[FrozenTrial]]:
    found = defaultdict(list)
    for path in paths:
        if name in path.params:
            found[path.params[name]].append(path)
    return found
