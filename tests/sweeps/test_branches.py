"""A grid over spaces that show only as they are drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from sweep_bench import Bench

from finesweep.errors import SweepFailedError
from finesweep.sweeps.branches import Branches, BranchSampler
from finesweep.sweeps.progress import describe_end
from finesweep.sweeps.space import values_of

Tree = dict[Any, Any]
"""A name, and by each of its values what is drawn after it: another such tree, or None."""

TREES: st.SearchStrategy[Any] = st.recursive(
    st.none(),
    lambda deeper: st.builds(
        lambda name, branches: {"name": name, "by": dict(enumerate(branches))},
        st.sampled_from("abcdef"),
        st.lists(deeper, min_size=1, max_size=3),
    ),
    max_leaves=14,
).filter(lambda tree: tree is not None)


def draw(trial: optuna.Trial, tree: Tree | None, *, most: int = 99) -> None:
    """Draw what the tree asks for, ``most`` names; a name is another under each condition."""
    path = ""
    while tree is not None and len(trial.params) < most:
        name = f"{tree['name']}{path}"
        value = trial.suggest_categorical(name, list(tree["by"]))
        path, tree = f"{path} {tree['name']}={value}", tree["by"][value]


def leaves(tree: Tree | None, path: str = "") -> Iterator[dict[str, Any]]:
    if tree is None:
        yield {}
        return
    for value, deeper in tree["by"].items():
        for leaf in leaves(deeper, f"{path} {tree['name']}={value}"):
            yield {f"{tree['name']}{path}": value, **leaf}


def has_next(study: optuna.Study) -> bool:
    return not Branches(study.get_trials(deepcopy=False), values_of=values_of).are_done


def as_set(points: Any) -> set[tuple[tuple[str, Any], ...]]:
    return {tuple(sorted(point.items())) for point in points}


@settings(max_examples=60, deadline=None)
@given(tree=TREES, seed=st.none() | st.integers(0, 99), chance=st.randoms(use_true_random=False))
def test_every_leaf_is_tried_once_however_many_trials_are_open(
    tree: Tree, seed: int | None, chance: random.Random
) -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=seed))
    running: list[optuna.Trial] = []
    while True:
        if has_next(study) and len(running) < 3:
            running.append(study.ask())
            draw(running[-1], tree)
        elif running:
            study.tell(running.pop(chance.randrange(len(running))), 0.0)
        else:
            break
    wanted = list(leaves(tree))
    assert len(study.trials) == len(wanted)
    assert as_set(trial.params for trial in study.trials) == as_set(wanted)


@settings(max_examples=60, deadline=None)
@given(tree=TREES)
def test_trials_that_break_off_hide_nothing_that_another_has_shown(tree: Tree) -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=3))
    first = study.ask()
    draw(first, tree)
    for most in range(1, len(first.params)):
        study.enqueue_trial(first.params)
        failed = study.ask()
        draw(failed, tree, most=most)
        study.tell(failed, state=TrialState.FAIL)
    while has_next(study):
        draw(study.ask(), tree)
    tried = [trial.params for trial in study.trials if trial.state != TrialState.FAIL]
    assert len(tried) == len(list(leaves(tree)))
    assert as_set(tried) == as_set(leaves(tree))


def test_the_order_is_kerastuners_without_a_seed_and_the_seeds_with_one() -> None:
    tree = {"name": "a", "by": {0: {"name": "b", "by": dict.fromkeys(range(3))}, 1: None}}

    def points(first_seed: int | None) -> list[dict[str, Any]]:
        study = optuna.create_study()
        for number in range(4):
            seed = None if first_seed is None else first_seed + number
            study.sampler = BranchSampler(values_of=values_of, seed=seed)
            draw(study.ask(), tree)
        return [trial.params for trial in study.trials]

    in_order = list(leaves(tree))
    assert points(None) == in_order
    drawn = {str(points(seed)) for seed in range(0, 100, 10)}
    assert drawn == {str(points(seed)) for seed in range(0, 100, 10)}
    assert len(drawn) > 3
    assert all(as_set(points(seed)) == as_set(in_order) for seed in range(0, 100, 10))


def test_nobody_waits_behind_a_trial_that_fails_before_it_draws() -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=0))
    trial = study.ask()
    # What it will draw nobody knows yet.
    assert not has_next(study)
    study.tell(trial, state=TrialState.FAIL)
    assert has_next(study)


def test_a_range_without_end_is_told_to_whoever_asks_for_it() -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=0))
    with pytest.raises(ValueError, match="finitely many values, received 0 to 1; give it a step"):
        study.ask({"dropout": FloatDistribution(0, 1)})


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep_over_a_hypermodel_ends_with_its_grid(bench: Bench, workers: int) -> None:
    bench.script(draws=["a", "b"], units=3)
    config = bench.config(
        space={"batch_size": {"choices": [8, 16]}},
        hypermodel="mine:build_model",
        sampler={"name": "grid"},
        trials=50,
    )
    result = bench.run(config, workers=workers)
    assert result.stopped_by == "grid has nothing left to try (12 are done)"
    points = {tuple(trial.params.values()) for trial in bench.study().trials}
    assert len(points) == len(result.trials) == 12
    assert describe_end(bench.study().trials, config) == result.stopped_by


def test_a_sweep_says_which_hyperparameter_has_no_end(bench: Bench) -> None:
    bench.script(draws=["a", "b"])
    config = bench.config(
        space={}, hypermodel="mine:build_model", sampler={"name": "grid"}, max_failures=1, retries=0
    )
    with pytest.raises(SweepFailedError, match="at most 100,000 values, received 1,000,000; give"):
        bench.run(config)
