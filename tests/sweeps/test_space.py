from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from finesweep.config import ExperimentConfig, SpaceConfig
from finesweep.config.space import HYPERPARAMETERS
from finesweep.sweeps.space import complete, distribution, propose, values_of
from finesweep.training.drawing import DrawingError

EXPERIMENT = ExperimentConfig.model_validate(
    {"name": "e", "data": {"path": "x.json"}, "batch_size": 24, "epochs": 5}
)


def float_entries() -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.tuples(st.floats(1e-7, 0.4), st.floats(0.5, 1.0))
    ranges = st.builds(
        lambda b, log: {"low": b[0], "high": b[1], "log": log}, bounds, st.booleans()
    )
    stepped = st.builds(
        lambda n, steps: {"low": n / 1000, "high": (n + steps) / 1000, "step": 0.001},
        st.integers(1, 50),
        st.integers(1, 50),
    )
    choices = st.lists(st.floats(1e-7, 1.0), min_size=1, max_size=4, unique=True)
    return ranges | stepped | st.builds(lambda c: {"choices": c}, choices)


def int_entries(most: int) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.builds(
        lambda low, more, log: {"low": low, "high": low + more, "log": log},
        st.integers(4, most // 2),
        st.integers(1, most // 2),
        st.booleans(),
    )
    stepped = st.builds(
        lambda low, step, steps: {"low": low, "high": low + step * steps, "step": step},
        st.integers(4, 20),
        st.integers(1, 8),
        st.integers(1, 8),
    )
    choices = st.lists(st.integers(4, most), min_size=1, max_size=4, unique=True)
    return plain | stepped | st.builds(lambda c: {"choices": c}, choices)


spaces = st.fixed_dictionaries(
    {"learning_rate": float_entries()},
    optional={
        "batch_size": int_entries(4000),
        "epochs": int_entries(900),
        "max_length": int_entries(8000),
    },
).map(SpaceConfig.model_validate)


@settings(max_examples=60, deadline=None)
@given(space=spaces, seed=st.integers(0, 2**31 - 1))
def test_every_sampled_point_lies_in_its_space(space: SpaceConfig, seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    point = propose(study.ask(), space=space, experiment=EXPERIMENT).as_dict()
    for name in HYPERPARAMETERS:
        entry = space.entries().get(name)
        if entry is None:
            assert point[name] == getattr(EXPERIMENT, name)
        else:
            assert entry.contains(point[name]), (name, point[name], entry)
        wanted = float if name == "learning_rate" else int
        assert type(point[name]) is wanted, name


@settings(max_examples=60, deadline=None)
@given(space=spaces)
def test_the_values_are_those_of_the_distribution(space: SpaceConfig) -> None:
    for entry in space.entries().values():
        if entry.size is None or entry.size > 500:
            continue
        held = distribution(entry)
        values = values_of(held)
        assert len(values) == len(set(values)) == entry.size
        assert all(held._contains(held.to_internal_repr(value)) for value in values)


def test_values_are_written_as_the_user_wrote_them() -> None:
    space = SpaceConfig.model_validate({"learning_rate": {"low": 0.1, "high": 0.3, "step": 0.1}})
    assert values_of(distribution(space.entries()["learning_rate"])) == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("endless", "words"),
    [
        (FloatDistribution(0.1, 0.3), "finitely many values, received 0.1 to 0.3; give it a step"),
        (IntDistribution(1, 10**9), "at most 100,000 values, received 1,000,000,000; give it a"),
        (FloatDistribution(0, 1, step=1e-9), "at most 100,000 values, received 1,000,000,001"),
    ],
)
def test_what_has_no_end_is_no_grid(endless: BaseDistribution, words: str) -> None:
    with pytest.raises(DrawingError, match=words):
        values_of(endless)


@pytest.mark.parametrize("parts", [3, 7, 9, 21, 49])
def test_steps_that_are_no_short_decimals_reach_the_end(parts: int) -> None:
    held = FloatDistribution(0.0, 1.0, step=1 / parts)
    values = values_of(held)
    assert values[-1] == held.high
    assert all(held._contains(value) for value in values)


def test_a_range_of_one_value_has_one() -> None:
    assert tuple(values_of(FloatDistribution(0.5, 0.5))) == (0.5,)
    assert tuple(values_of(IntDistribution(3, 3))) == (3,)


def test_what_is_not_searched_keeps_the_experiments_value() -> None:
    values = complete({"learning_rate": 0.001}, experiment=EXPERIMENT)
    assert values.as_dict() == {
        "learning_rate": 0.001,
        "batch_size": 24,
        "epochs": 5,
        "max_length": 64,
    }
