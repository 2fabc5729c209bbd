"""A grid over spaces that show only as they are drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from asking_study import HYPERMODEL, sweep
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from sweep_bench import Bench

from finesweep.errors import SweepFailedError
from finesweep.sweeps.branches import BranchSampler, has_branches
from finesweep.sweeps.progress import describe_end
from finesweep.sweeps.record import note_training, note_values
from finesweep.sweeps.space import values_of

GRID = sweep("grid", hypermodel=HYPERMODEL)

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


def next_name(params: dict[str, Any], tree: Tree | None) -> tuple[str, list[Any]] | None:
    """What the tree asks for after ``params``, with its values; a name means its whole path."""
    path = ""
    while tree is not None:
        name = f"{tree['name']}{path}"
        if name not in params:
            return name, list(tree["by"])
        path, tree = f"{path} {tree['name']}={params[name]}", tree["by"][params[name]]
    return None


def draw(trial: optuna.Trial, tree: Tree | None, *, most: int = 99) -> bool:
    """Draw what the tree asks for, ``most`` names at once; whether that is all."""
    while most and (asked := next_name(trial.params, tree)):
        trial.suggest_categorical(*asked)
        most -= 1
    return next_name(trial.params, tree) is None


def leaves(tree: Tree | None, path: str = "") -> Iterator[dict[str, Any]]:
    if tree is None:
        yield {}
        return
    for value, deeper in tree["by"].items():
        for leaf in leaves(deeper, f"{path} {tree['name']}={value}"):
            yield {f"{tree['name']}{path}": value, **leaf}


def has_next(study: optuna.Study) -> bool:
    return has_branches(GRID, study.get_trials(deepcopy=False))


def as_set(points: Any) -> set[tuple[tuple[str, Any], ...]]:
    return {tuple(sorted(point.items())) for point in points}


@settings(max_examples=60, deadline=None)
@given(tree=TREES, seed=st.none() | st.integers(0, 99), chance=st.randoms(use_true_random=False))
def test_every_leaf_is_tried_once_however_many_trials_draw_at_a_time(
    tree: Tree, seed: int | None, chance: random.Random
) -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=seed))
    wanted = list(leaves(tree))
    running: list[optuna.Trial] = []
    for _ in range(1000):
        if has_next(study) and len(running) < 3 and chance.random() < 0.7:
            running.append(study.ask())
        elif running:
            trial = chance.choice(running)
            if draw(trial, tree, most=1) and chance.random() < 0.5:
                study.tell(trial, 0.0)
                running.remove(trial)
        elif not has_next(study):
            break
    assert not running
    assert len(study.trials) == len(wanted)
    assert as_set(trial.params for trial in study.trials) == as_set(wanted)


@settings(max_examples=60, deadline=None)
@given(tree=TREES, chance=st.randoms(use_true_random=False))
def test_a_trial_that_breaks_off_hides_nothing(tree: Tree, chance: random.Random) -> None:
    """Neither behind what others have shown, nor where nobody has been."""
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=3))
    broke_off: set[str] = set()
    for _ in range(200):
        if not has_next(study):
            break
        trial = study.ask()
        is_whole = draw(trial, tree, most=chance.choice([1, 2, 99]))
        if is_whole or str(trial.params) in broke_off:
            draw(trial, tree)
            study.tell(trial, 0.0)
        else:
            broke_off.add(str(trial.params))
            study.tell(trial, state=TrialState.FAIL)
    completed = [trial.params for trial in study.trials if trial.state == TrialState.COMPLETE]
    wanted = list(leaves(tree))
    assert len(completed) == len(wanted)
    assert as_set(completed) == as_set(wanted)


def test_a_branch_in_which_trials_fail_before_they_are_built_is_left_alone_in_the_end() -> None:
    tree = {"name": "a", "by": {0: {"name": "b", "by": dict.fromkeys(range(3))}, 1: None}}
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=None))
    tried = []
    while has_next(study):
        trial = study.ask()
        draw(trial, tree, most=1)
        tried.append(trial.params["a"])
        study.tell(
            trial,
            state=TrialState.FAIL if tried[-1] == 0 else TrialState.COMPLETE,
            values=None if tried[-1] == 0 else 0.0,
        )
    assert tried == [0, 1, 0]


def test_a_combination_that_failed_in_training_counts() -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=None))
    tree = {"name": "a", "by": dict.fromkeys(range(2))}
    for _ in range(2):
        trial = study.ask()
        draw(trial, tree)
        note_training(trial)
        study.tell(trial, state=TrialState.FAIL)
    assert [trial.params["a"] for trial in study.trials] == [0, 1]
    assert not has_next(study)


def test_values_on_record_are_no_proof_that_all_was_drawn() -> None:
    """A build that raises leaves what it had drawn, and what the sweep's own space had."""
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=None))
    trial = study.ask()
    trial.suggest_categorical("batch_size", [16, 32])
    note_values(trial, trial.params)
    study.tell(trial, state=TrialState.FAIL)
    again = study.ask()
    assert again.suggest_categorical("batch_size", [16, 32]) == 32
    study.tell(again, 0.0)
    assert study.ask().suggest_categorical("batch_size", [16, 32]) == 16


def test_branches_that_were_left_alone_are_told(bench: Bench) -> None:
    config = bench.config(
        space={}, hypermodel="mine:build_model", sampler={"name": "grid"}, trials=9
    )
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=None))
    tree = {"name": "a", "by": {0: None, 1: None, 2: {"name": "b", "by": {0: None}}}}
    for fails in (True, False, True, True, False):
        trial = study.ask()
        draw(trial, tree, most=1 if fails else 2)
        if fails:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, 0.0)
    assert [trial.params["a"] for trial in study.trials] == [0, 1, 2, 0, 2]
    assert not has_next(study)
    assert describe_end(study.trials, config) == (
        "grid has nothing left to try (5 are done); one combination was left alone after failing "
        "twice before training"
    )


def test_what_is_enqueued_in_part_is_completed_to_something_new() -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=None))
    for fixed in ({"a": 0, "b": 1}, {"b": 1}):
        study.enqueue_trial(fixed)
        trial = study.ask()
        for name in ("a", "b"):
            trial.suggest_categorical(name, [0, 1])
    assert [trial.params for trial in study.trials] == [{"a": 0, "b": 1}, {"a": 1, "b": 1}]


def test_a_hypermodel_that_draws_nothing_is_tried_once() -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=0))
    study.tell(study.ask(), 0.0)
    assert not has_next(study)


def test_code_that_draws_less_than_it_did_repeats_nothing() -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=None))
    first = study.ask()
    draw(first, {"name": "a", "by": {0: {"name": "k", "by": {0: None, 1: None}}, 1: None, 2: None}})
    study.tell(first, 0.0)
    tried = [first.params["a"]]
    while has_next(study) and len(tried) < 9:
        trial = study.ask()
        draw(trial, {"name": "a", "by": dict.fromkeys(range(3))})
        tried.append(trial.params["a"])
        study.tell(trial, 0.0)
    assert tried == [0, 0, 1, 2]


def test_values_that_depend_on_others_come_to_an_end() -> None:
    study = optuna.create_study(sampler=BranchSampler(values_of=values_of, seed=None))
    while has_next(study) and len(study.trials) < 9:
        trial = study.ask()
        layers = trial.suggest_int("layers", 1, 3)
        trial.suggest_int("units", 1, layers)
        study.tell(trial, 0.0)
    assert len(as_set(trial.params for trial in study.trials)) == len(study.trials) == 6


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


@pytest.mark.parametrize(("workers", "pruner"), [(1, "none"), (2, "none"), (1, "hyperband")])
def test_a_sweep_over_a_hypermodel_ends_with_its_grid(
    bench: Bench, workers: int, pruner: str
) -> None:
    bench.script(draws=["a", "b"], units=3)
    config = bench.config(
        space={"batch_size": {"choices": [8, 16]}},
        hypermodel="mine:build_model",
        sampler={"name": "grid"},
        # Of these two Hyperband shows a sampler a part of the trials only.
        pruner={"name": pruner},
        trials=50,
    )
    result = bench.run(config, workers=workers)
    assert result.stopped_by == "grid has nothing left to try (12 are done)"
    points = {tuple(trial.params.values()) for trial in bench.study().trials}
    assert len(points) == len(result.trials) == 12
    assert describe_end(bench.study().trials, config) == result.stopped_by


def test_a_sweep_says_what_has_no_end(bench: Bench) -> None:
    bench.script(draws=["a", "b"])
    config = bench.config(
        space={}, hypermodel="mine:build_model", sampler={"name": "grid"}, max_failures=1, retries=0
    )
    with pytest.raises(SweepFailedError, match="at most 100,000 values, received 1,000,000; give"):
        bench.run(config)
