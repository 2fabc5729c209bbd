from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from keras_tuner.engine import hyperparameters as kinds
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from finesweep.sweeps.oracles.parameters import from_oracle, hyperparameters_of, to_oracle

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-5, 1e-3, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
    "smoothing": FloatDistribution(0.1, 0.7, step=0.1),
    "epochs": IntDistribution(1, 4),
    "length": IntDistribution(16, 64, step=16),
    "units": IntDistribution(8, 4096, log=True),
    "pooling": CategoricalDistribution((None, "mean", 1, 2.5, True)),
    "one": CategoricalDistribution(("only",)),
    "same": FloatDistribution(0.3, 0.3),
}
TYPES = {"rate": float, "dropout": float, "smoothing": float, "same": float} | dict.fromkeys(
    ("epochs", "length", "units"), int
)


def kinds_by_name() -> dict[str, Any]:
    return {kind.name: kind for kind in hyperparameters_of(SPACE).space}


@pytest.mark.parametrize("name", SPACE)
def test_whatever_kerastuner_draws_is_a_value_of_the_distribution(name: str) -> None:
    kind, distribution = kinds_by_name()[name], SPACE[name]
    # The optimiser of the Gaussian process also tries the very ends.
    for step in range(101):
        (value,) = from_oracle({name: kind.prob_to_value(step / 100)}, SPACE).values()
        assert distribution._contains(distribution.to_internal_repr(value))
        if name in TYPES:
            assert type(value) is TYPES[name]


@pytest.mark.parametrize("name", SPACE)
def test_values_survive_the_way_there_and_back(name: str) -> None:
    values = optuna_values(name)
    kind = kinds_by_name()[name]
    for value in values:
        coded = to_oracle({name: value}, SPACE)
        (back,) = from_oracle(coded, SPACE).values()
        assert back == pytest.approx(value, rel=1e-12) if name == "smoothing" else back == value
        assert type(back) is type(value)
        assert 0.0 <= kind.value_to_prob(coded[name]) <= 1.0


def optuna_values(name: str) -> list[Any]:
    distribution = SPACE[name]
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [study.ask({name: distribution}).params[name] for _ in range(30)]


def test_every_step_of_a_decimal_range_can_be_drawn() -> None:
    kind = kinds_by_name()["smoothing"]
    drawn = {
        from_oracle({"smoothing": kind.prob_to_value(p / 50)}, SPACE)["smoothing"]
        for p in range(51)
    }
    assert sorted(drawn) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_choices_are_without_order_and_a_logarithm_stays_one() -> None:
    by_name = kinds_by_name()
    assert isinstance(by_name["pooling"], kinds.Choice)
    assert not by_name["pooling"].ordered
    middle = from_oracle({"rate": by_name["rate"].prob_to_value(0.5)}, SPACE)["rate"]
    assert math.isclose(middle, 1e-4)


def test_what_the_space_cannot_hold_is_left_out() -> None:
    values = {"rate": 0.5, "epochs": 3, "pooling": "max", "unknown": 1}
    assert to_oracle(values, SPACE) == {"epochs": 3}
