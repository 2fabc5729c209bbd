from __future__ import annotations

from typing import Any

import keras_tuner
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finesweep.keras_tuner.active_values import ActiveValues
from finesweep.keras_tuner.parameters import parameters_of
from finesweep.keras_tuner.suggesting import suggest


def declare(hp: Any) -> None:
    hp.Int("layers", 1, 9, step=3)
    hp.Int("width", 4, 64, sampling="log")
    hp.Int("batch", 2, 33, step=2, sampling="log")
    hp.Float("dropout", 0.0, 0.5, step=0.1)
    hp.Float("momentum", 0.5, 0.99, sampling="reverse_log")
    hp.Float("decay", 0.001, 10, step=10, sampling="log")
    hp.Int("patience", 1, 30, sampling="reverse_log")
    hp.Boolean("bias")
    hp.Fixed("name", "fixed")
    hp.Choice("kind", ["cnn", "mlp"])
    with hp.conditional_scope("kind", ["cnn"]):
        hp.Int("units", 1, 3)
    with hp.conditional_scope("kind", ["mlp"]):
        hp.Choice("units", [10, 20])


@given(seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_what_was_drawn_is_told_as_it_was_drawn(seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    hp = suggest(trial)
    declare(hp)
    known = parameters_of(hp)
    assert {name: found.distribution for name, found in known.items()} == trial.distributions
    assert {name: found.value for name, found in known.items()} == pytest.approx(trial.params)


@given(seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_what_keras_tuner_draws_can_be_told(seed: int) -> None:
    hp = ActiveValues()
    declare(hp)
    for number, hyperparameter in enumerate(hp.space):
        if hp.is_active(hyperparameter):
            hp.values[hyperparameter.name] = hyperparameter.random_sample(seed + number)
    hp.ensure_active_values()
    known = parameters_of(hp)
    # All but the fixed one, and the units of the other kind.
    assert len(known) == len(hp.values) - 1
    optuna.trial.create_trial(
        value=0.0,
        params={name: found.value for name, found in known.items()},
        distributions={name: found.distribution for name, found in known.items()},
    )


def test_a_default_outside_its_range_is_no_parameter() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 1, 3, default=100)
    hp.Int("layers", 1, 3, default=2)
    assert [(name, found.value) for name, found in parameters_of(hp).items()] == [("layers", 2)]
