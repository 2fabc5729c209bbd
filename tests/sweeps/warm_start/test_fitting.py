from __future__ import annotations

import math
from typing import Any

import pytest
from earlier_work import sweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from finesweep.sweeps.warm_start.fitting import MisfitError, fit, fit_trial
from finesweep.sweeps.warm_start.found import FoundTrial

RATE = FloatDistribution(1e-5, 1e-4, log=True)
EPOCHS = IntDistribution(1, 4)
LENGTH = IntDistribution(16, 64, step=16)
DROPOUT = FloatDistribution(0.0, 0.5, step=0.1)
SIZE = CategoricalDistribution([8, 16])
MIXED = CategoricalDistribution(["adam", None, True, 1, 0.5])


@pytest.mark.parametrize(
    ("value", "distribution", "fitted"),
    [
        (3e-5, RATE, 3e-5),
        ("3e-5", RATE, 3e-5),
        ("0.00003", RATE, 3e-5),
        (1.0000000000000003e-4, RATE, 1e-4),
        (2, RATE.__class__(1, 3), 2.0),
        (3, EPOCHS, 3),
        (3.0, EPOCHS, 3),
        ("3", EPOCHS, 3),
        ("3.0", EPOCHS, 3),
        (48.0, LENGTH, 48),
        (0.1 + 0.2, DROPOUT, 0.1 + 0.2),
        (16, SIZE, 16),
        (16.0, SIZE, 16),
        ("16", SIZE, 16),
        ("16.0", SIZE, 16),
        ("adam", MIXED, "adam"),
        (None, MIXED, None),
        ("None", MIXED, None),
        (True, MIXED, True),
        ("True", MIXED, True),
        (1, MIXED, 1),
        (1.0, MIXED, 1),
        ("0.5", MIXED, 0.5),
    ],
)
def test_a_value_gets_the_type_that_this_sweep_gives_it(
    value: Any, distribution: BaseDistribution, fitted: Any
) -> None:
    found = fit(value, distribution)
    assert found == fitted
    assert type(found) is type(fitted)


@pytest.mark.parametrize(
    ("value", "distribution", "why"),
    [
        (2e-4, RATE, "outside 1e-05 to 0.0001"),
        ("fast", RATE, "that is no number"),
        (None, RATE, "that is no number"),
        (True, EPOCHS, "that is no number"),
        (math.nan, RATE, "that is no number"),
        ("inf", RATE, "that is no number"),
        (10**400, RATE, "that is no number"),
        (2.5, EPOCHS, "that is no whole number"),
        (5, EPOCHS, "outside 1 to 4"),
        (24, LENGTH, "between steps of 16"),
        (0.15, DROPOUT, "between steps of 0.1"),
        (32, SIZE, "that is no choice now"),
        ("many", SIZE, "that is no choice now"),
        (False, MIXED, "that is no choice now"),
        (True, SIZE, "that is no choice now"),
        (False, CategoricalDistribution([0, 1]), "that is no choice now"),
    ],
)
def test_a_value_that_this_sweep_cannot_have_is_told_why(
    value: Any, distribution: BaseDistribution, why: str
) -> None:
    with pytest.raises(MisfitError, match=f"^{why}$"):
        fit(value, distribution)


def found(value: float | None = 0.9, unusable: str | None = None, **params: Any) -> FoundTrial:
    complete = {"learning_rate": 3e-5, "batch_size": 8, **params}
    return FoundTrial(name="t000", params=complete, value=value, unusable=unusable)


def test_a_trial_keeps_what_is_searched() -> None:
    values = fit_trial(found(learning_rate="3e-5", batch_size="8.0", colour="red"), sweep())
    assert values == {"learning_rate": 3e-5, "batch_size": 8}
    assert type(values["batch_size"]) is int


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        (found(unusable="had failed"), "had failed"),
        (found(value=None), "had no val/accuracy"),
        (found(value=math.nan), "had no finite val/accuracy"),
        (found(batch_size=4), "had a batch_size that is no choice now"),
        (found(max_length=128), "had a max_length other than the fixed 64"),
        (found(epochs="3"), "had epochs other than the fixed 2"),
        (
            FoundTrial(name="t000", params={"learning_rate": 3e-5}, value=0.9),
            "had no batch_size",
        ),
    ],
)
def test_a_trial_that_does_not_fit_is_told_why(trial: FoundTrial, why: str) -> None:
    with pytest.raises(MisfitError, match=f"^{why}$"):
        fit_trial(trial, sweep())


def test_a_fixed_hyperparameter_that_was_the_same_or_is_unknown_does_no_harm() -> None:
    assert fit_trial(found(max_length="64", epochs=2.0), sweep())
    assert fit_trial(found(), sweep())


def test_what_a_hypermodel_may_search_need_not_be_as_it_is_fixed() -> None:
    assert fit_trial(found(max_length=128), sweep(hypermodel="models:build"))
