"""A KerasTuner space drawn from Optuna trials; models are built, none is trained."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import keras_tuner
import optuna
import pytest

from finesweep.errors import TrialError
from finesweep.keras_tuner import suggest

TRIALS = 40


def drawn(ask: Callable[[Any], Any], *, trials: int = TRIALS) -> list[Any]:
    """What ``ask`` came to in each of some trials of one study."""
    values: list[Any] = []

    def objective(trial: optuna.Trial) -> float:
        values.append(ask(suggest(trial)))
        return 0.0

    study().optimize(objective, n_trials=trials)
    return values


def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda hp: hp.Int("n", 1, 10, step=4), {1, 5, 9}),
        (lambda hp: hp.Int("n", 3, 3), {3}),
        (lambda hp: hp.Int("n", 2, 40, step=2, sampling="log"), {2, 4, 8, 16, 32}),
        (lambda hp: hp.Int("n", 1, 20, step=3, sampling="reverse_log"), {20, 18, 12}),
        (lambda hp: hp.Float("f", 0, 1, step=0.25), {0.0, 0.25, 0.5, 0.75, 1.0}),
        (lambda hp: hp.Float("f", 0.001, 10, step=10, sampling="log"), {0.001, 0.01, 0.1, 1, 10}),
        (lambda hp: hp.Choice("c", ["relu", "tanh"]), {"relu", "tanh"}),
        (lambda hp: hp.Choice("c", [0.1, 0.2, 0.1]), {0.1, 0.2}),
        (lambda hp: hp.Boolean("b"), {True, False}),
        (lambda hp: hp.Fixed("x", "always"), {"always"}),
    ],
)
def test_every_value_there_is_and_no_other(ask: Callable[[Any], Any], expected: set[Any]) -> None:
    values = drawn(ask)
    assert len(set(values)) == len(expected)
    assert sorted(set(values), key=str) == pytest.approx(sorted(expected, key=str))
    assert {type(value) for value in values} == {type(one) for one in values[:1]}


def test_a_step_of_a_tenth_reaches_the_end() -> None:
    values = set(drawn(lambda hp: hp.Float("f", 0.0, 1.0, step=0.1), trials=120))
    assert len(values) == 11
    assert max(values) == 1.0


@pytest.mark.parametrize("kind", ["Int", "Float"])
@pytest.mark.parametrize("sampling", ["linear", "log", "reverse_log"])
def test_a_range_is_kept_and_crowded_where_it_should_be(kind: str, sampling: str) -> None:
    values = drawn(lambda hp: getattr(hp, kind)("n", 1, 1000, sampling=sampling), trials=80)
    assert min(values) >= 1
    assert max(values) <= 1000
    assert {type(value) for value in values} == {int if kind == "Int" else float}
    middle = sorted(values)[len(values) // 2]
    bounds = {"linear": (250, 750), "log": (5, 200), "reverse_log": (800, 996)}[sampling]
    assert bounds[0] < middle < bounds[1]


def test_choices_have_the_types_that_kerastuner_gives_them() -> None:
    plain = keras_tuner.HyperParameters()

    def ask(hp: Any) -> tuple[Any, ...]:
        return (
            hp.Choice("flags", [True, False]),
            hp.Choice("numbers", [1, 2]),
            hp.Choice("shares", [0.5, 1.0]),
            hp.Boolean("really"),
        )

    expected = [type(value) for value in ask(plain)]
    assert {tuple(map(type, values)) for values in drawn(ask)} == {tuple(expected)}


@pytest.mark.parametrize("choices", [[1, "a"], [None, 1], [1, 2.0]])
def test_mixed_choices_are_refused_as_kerastuner_does(choices: list[Any]) -> None:
    with pytest.raises(TypeError, match="only one type"):
        drawn(lambda hp: hp.Choice("mixed", choices), trials=1)


def test_a_name_asked_for_again_has_the_same_value() -> None:
    def ask(hp: Any) -> None:
        first = hp.Int("units", 8, 64)
        assert hp.Int("units", 8, 64) == first
        assert hp.Int("units", 100, 200) == first  # as KerasTuner has it
        assert hp.get("units") == hp["units"] == first
        with hp.name_scope("tower"):
            hp.Int("units", 100, 200)
        assert hp.values["tower/units"] >= 100

    drawn(ask)


def test_a_name_with_other_values_under_each_condition() -> None:
    def ask(hp: Any) -> tuple[Any, Any, Any]:
        kind = hp.Choice("kind", ["mlp", "cnn", "none"])
        with hp.conditional_scope("kind", ["mlp"]):
            mlp = hp.Choice("units", ["narrow", "wide"])
        with hp.conditional_scope("kind", ["cnn"]):
            cnn = hp.Int("units", 1, 8)
            if kind == "cnn" and hp.Boolean("deep"):
                pass
        depth = hp.Int("depth", 2, 3, parent_name="kind", parent_values=["mlp", "cnn"])
        return kind, (mlp, cnn), depth

    for kind, (mlp, cnn), depth in drawn(ask):
        assert (mlp in ("narrow", "wide")) == (kind == "mlp")
        assert (cnn is not None) == (kind == "cnn")
        assert (depth is not None) == (kind != "none")


def test_the_names_that_optuna_knows() -> None:
    def ask(hp: Any) -> float:
        hp.Float("momentum", 0.5, 0.99, sampling="reverse_log")
        hp.Choice("kind", ["a"])
        with hp.conditional_scope("kind", ["a", "b"]), hp.name_scope("tower"):
            hp.Int("units", 1, 2)
        return float(hp.get("momentum"))

    searched = study()
    values = []
    searched.optimize(lambda trial: values.append(ask(suggest(trial))) or 0.0, n_trials=3)  # type: ignore[func-returns-value]
    for trial, momentum in zip(searched.trials, values, strict=True):
        assert set(trial.params) == {"momentum (reverse_log)", "kind", "tower/units [kind=a|b]"}
        assert momentum == pytest.approx(0.5 + 0.99 - trial.params["momentum (reverse_log)"])


def test_the_same_trial_gives_the_same_values_again() -> None:
    """A trial that is taken up again has its values in the study."""
    searched = study()
    trial = searched.ask()

    def ask(hp: Any) -> dict[str, Any]:
        hp.Int("n", 1, 10**6)
        hp.Float("f", 0.1, 1.0, sampling="reverse_log")
        hp.Choice("c", list("abcdefgh"))
        return dict(hp.values)

    assert ask(suggest(trial)) == ask(suggest(trial))


def test_a_space_of_ones_own_is_drawn_by_merging_it() -> None:
    space = keras_tuner.HyperParameters()
    space.Int("units", 8, 64)
    with space.conditional_scope("units", list(range(8, 65))):
        space.Float("rate", 0.1, 0.2)

    def ask(hp: Any) -> dict[str, Any]:
        hp.merge(space)
        assert hp.Int("units", 8, 64) == hp.get("units")
        return dict(hp.values)

    values = drawn(ask)
    assert len({one["units"] for one in values}) > 10
    assert all(0.1 <= one["rate"] <= 0.2 for one in values)


def test_choices_that_differ_from_the_studys_are_refused_with_a_reason() -> None:
    searched = study()
    suggest(searched.ask()).Choice("c", [1, 2])
    with pytest.raises(
        TrialError, match="hyperparameter 'c' as the study can draw it.*another name"
    ):
        suggest(searched.ask()).Choice("c", [1, 2, 3])


def test_what_is_offered_can_be_got_and_gives_way_to_what_is_declared() -> None:
    from finesweep.keras_tuner.suggesting import SuggestedHyperParameters

    offered = {"learning_rate": 0.5, "epochs": 3}
    hp = SuggestedHyperParameters(study().ask(), offered=offered)
    assert hp.Float("learning_rate", 0.001, 0.01) < 0.5
    assert hp.get("epochs") == 3
    assert hp.values.keys() == {"learning_rate", "epochs"}
    with pytest.raises(KeyError, match="units does not exist"):
        hp.get("units")


def test_whether_a_value_is_offered_can_be_asked_and_it_can_be_got_before_it_is_declared() -> None:
    from finesweep.keras_tuner.suggesting import SuggestedHyperParameters

    hp = SuggestedHyperParameters(study().ask(), offered={"learning_rate": 0.5, "epochs": 3})
    assert "learning_rate" in hp
    assert "units" not in hp
    assert not hp.values
    assert hp.get("learning_rate") == 0.5
    drawn_rate = hp.Float("learning_rate", 0.001, 0.01)
    assert drawn_rate < 0.5
    assert hp.get("learning_rate") == hp.Float("learning_rate", 0.001, 0.01) == drawn_rate
    assert [one.name for one in hp.space] == ["learning_rate"]


def test_a_value_is_offered_where_get_would_give_it() -> None:
    from finesweep.keras_tuner.suggesting import SuggestedHyperParameters

    hp = SuggestedHyperParameters(study().ask(), offered={"learning_rate": 0.5})
    hp.Fixed("kind", "mlp")
    with hp.conditional_scope("kind", ["cnn"]):
        hp.Float("learning_rate", 0.001, 0.01)
    assert "learning_rate" not in hp
    with pytest.raises(ValueError, match="currently inactive"):
        hp.get("learning_rate")


def test_a_space_that_is_merged_gets_values_of_its_own_for_what_was_lent() -> None:
    from finesweep.keras_tuner.suggesting import SuggestedHyperParameters

    hp = SuggestedHyperParameters(study().ask(), offered={"learning_rate": 0.5, "epochs": 3})
    assert (hp.get("learning_rate"), hp.get("epochs")) == (0.5, 3)
    assert (hp.lent, hp.drawn) == ({"learning_rate": 0.5, "epochs": 3}, {})
    space = keras_tuner.HyperParameters()
    space.Float("learning_rate", 0.001, 0.01)
    hp.merge(space)
    assert hp.get("learning_rate") < 0.5
    assert hp.lent == {"epochs": 3}
    assert list(hp.drawn) == ["learning_rate"]


def test_kerastuners_first_example_and_a_hypermodel_in_plain_optuna() -> None:
    def build_model(hp: Any) -> Any:
        layers = [
            keras.layers.Dense(
                units=hp.Int(f"units_{layer}", min_value=32, max_value=512, step=32),
                activation=hp.Choice("activation", ["relu", "tanh"]),
            )
            for layer in range(hp.Int("num_layers", 1, 3))
        ]
        if hp.Boolean("dropout"):
            layers.append(keras.layers.Dropout(rate=0.25))
        model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(10)])
        rate = hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
        model.compile(optimizer=keras.optimizers.Adam(learning_rate=rate), loss="mse")
        return model

    class Wide(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return build_model(hp)

    searched = study()
    searched.optimize(lambda trial: float(build_model(suggest(trial)).count_params()), n_trials=3)
    searched.optimize(lambda trial: float(Wide().build(suggest(trial)).count_params()), n_trials=2)
    for trial in searched.trials:
        widths = [trial.params[f"units_{layer}"] for layer in range(trial.params["num_layers"])]
        sizes = [8, *widths, 10]
        expected = sum((before + 1) * after for before, after in itertools.pairwise(sizes))
        assert trial.value == expected
