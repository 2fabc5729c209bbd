"""Grid search over a space that shows only as it is drawn: a hypermodel's.

Which hyperparameter comes next depends on the values before it, so the combinations are the leaves
of a tree, of which the trials so far have shown their own paths. What is missing in it is counted
name by name, each time by one that all trials of a branch have. That is the name they drew first as
long as the storage keeps the order, which Optuna's do. Whichever it is, the same leaves are
missing, unless the values that a name can have depend on another.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig
from finesweep.sweeps.record import broke_off, enqueued_values, has_trained
from finesweep.sweeps.space import values_of

ValuesOf = Callable[[BaseDistribution], Sequence[Any]]
"""The values a grid has of a distribution, in its order; ``DrawingError`` if there is no end."""

# A trial may fail before it trains for reasons of its own: a branch gets a second chance.
_FAILURES_THAT_CLOSE = 2

_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_OPEN = (TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True, kw_only=True)
class Branches:
    """What the paths of trials leave to try, and how it is judged.

    ``fixed`` are values that are settled before they are drawn. With ``reserves`` a trial that is
    open, but has not drawn everything, takes one of the leaves before it: which, is not known yet.
    So many ``failures`` before training close a branch.
    """

    values_of: ValuesOf
    fixed: Mapping[str, Any]
    reserves: bool = True
    failures: int = _FAILURES_THAT_CLOSE

    def count_left(self, paths: Sequence[FrozenTrial], known: frozenset[str]) -> int:
        """How many leaves, at least, are left to whoever asks in the branch of these paths.

        They agree on the names ``known``. A branch that nobody has been in has one.
        """
        if not paths:
            return 1
        further = Counter(name for path in paths for name in path.params if name not in known)
        standing = [path for path in paths if path.params.keys() <= known]
        if any(path.state in _DONE for path in standing):
            return 0
        if not further:
            return self._left_behind(standing)
        ((name, _),) = further.most_common(1)
        by_value = _by_value(paths, name)
        values = self._values(name, paths)
        seen = [by_value[value] for value in by_value if value in values]
        left = len(values) - len(seen)
        left += sum(self.count_left(branch, known | {name}) for branch in seen)
        taken = sum(path.state in _OPEN for path in standing) if self.reserves else 0
        return max(0, left - taken)

    def values_left(
        self,
        paths: Sequence[FrozenTrial],
        drawn: Mapping[str, Any],
        name: str,
        values: Sequence[Any],
    ) -> list[Any]:
        """Those of the ``values`` of ``name`` that lead to something new, after the ``drawn``."""
        here = [path for path in paths if drawn.items() <= path.params.items()]
        by_value = _by_value(here, name)
        known = frozenset([*drawn, name])
        return [value for value in values if self.count_left(by_value.get(value, ()), known)]

    def _left_behind(self, standing: Sequence[FrozenTrial]) -> int:
        """Of a branch where nobody has drawn more: nothing, but for a try after a first failure."""
        if self.reserves and any(path.state in _OPEN for path in standing):
            return 0
        failed = [path for path in standing if path.state == TrialState.FAIL]
        closed = any(map(has_trained, failed)) or len(failed) >= self.failures
        return int(not closed)

    def _values(self, name: str, paths: Sequence[FrozenTrial]) -> Sequence[Any]:
        if name in self.fixed:
            return (self.fixed[name],)
        (newest, *_) = (path for path in reversed(paths) if name in path.params)
        return self.values_of(newest.distributions[name])


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
        """A value that leads to something new; if need be, one that leads others to it too."""
        values = self._values_of(param_distribution)
        # The study itself: a pruner such as Hyperband lets samplers see a part of the trials only.
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        paths = _paths([other for other in trials if other.number != trial.number])
        fixed = {
            name: value
            for name, value in enqueued_values(trial).items()
            if name not in trial.params
        }
        # Second chances come last.
        passes = (
            Branches(
                values_of=self._values_of, fixed=fixed, reserves=reserves, failures=failures
            ).values_left(paths, trial.params, param_name, values)
            for reserves, failures in product((True, False), (1, _FAILURES_THAT_CLOSE))
        )
        left = next(filter(None, passes), values)
        if self._seed is None:
            return left[0]
        # Of the name too: a trial that is taken up again may have drawn some of them.
        return random.Random(f"{self._seed} {param_name}").choice(left)


def branch_sampler(config: SweepConfig, *, seed: int) -> BranchSampler:
    """The sampler of a grid over a hypermodel."""
    is_kerastuners = config.sampler.is_oracle
    return BranchSampler(values_of=_values_for(config), seed=None if is_kerastuners else seed)


def has_branches(config: SweepConfig, trials: Sequence[FrozenTrial]) -> bool:
    """Whether the grid over a hypermodel has something left that ``trials`` let know of."""
    return leads_on(trials, values_of=_values_for(config))


def leads_on(trials: Sequence[FrozenTrial], *, values_of: ValuesOf) -> bool:
    """Whether ``trials`` leave something to try; see ``Branches``."""
    branches = Branches(values_of=values_of, fixed={})
    return branches.count_left(_paths(trials), frozenset()) > 0


def closed_by_failures(trials: Sequence[FrozenTrial]) -> set[frozenset[tuple[str, Any]]]:
    """The parameters with which trials failed before they trained, so often that it will do."""
    failures = Counter(frozenset(trial.params.items()) for trial in trials if broke_off(trial))
    return {point for point, count in failures.items() if count >= _FAILURES_THAT_CLOSE}


def left_alone(trials: Sequence[FrozenTrial]) -> int:
    """How many branches are closed because trials failed in them before they trained."""
    reached = [trial.params.items() for trial in trials if not broke_off(trial)]
    closed = closed_by_failures(trials)
    return sum(bool(point) and not any(point <= other for other in reached) for point in closed)


def _paths(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that say something: all but those that have yet to begin, or failed before."""
    return [
        trial
        for trial in trials
        if trial.params or trial.state in _DONE or trial.state == TrialState.RUNNING
    ]


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
