"""Searches of functions, where a model would only take time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import optuna
import pytest
import tensorflow as tf
from optuna.trial import TrialState

from finesweep.errors import StudyError
from finesweep.keras_tuner import Tuner
from finesweep.keras_tuner.attempts import outcome_of
from finesweep.sweeps.lock import coordinator_lock
from finesweep.sweeps.study import load_study

MakeTuner = Callable[..., Tuner]
LoadTrials = Callable[[], list[optuna.trial.FrozenTrial]]
FindRuns = Callable[[], list[Any]]


class Parabola(Tuner):
    """As KerasTuner documents it: a function of hyperparameters, and nothing to build."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        x = trial.hyperparameters.Float("x", -2.0, 2.0)
        return x * x + 1


class Conditional(Tuner):
    """A space whose branches have a name in common, and one that is declared beforehand."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        hp = trial.hyperparameters
        kind = hp.Choice("kind", ["cnn", "mlp", "rnn"])
        with hp.conditional_scope("kind", ["cnn"]):
            cnn = hp.Int("units", 1, 3)
        with hp.conditional_scope("kind", ["mlp"]):
            mlp = hp.Choice("units", [10, 20])
        with hp.conditional_scope("kind", ["rnn"]):
            rnn = hp.Float("rate", 0.1, 0.5, sampling="reverse_log")
        values = {"cnn": cnn, "mlp": mlp, "rnn": rnn}
        assert [name for name, value in values.items() if value is not None] == [kind]
        return float(values[kind])


class Failing(Parabola):
    """Fails where its ``errors`` say so, one for each call; None lets it pass."""

    errors: list[BaseException | None] = []  # noqa: RUF012

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        value = super().run_trial(trial)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return value


@pytest.fixture
def failing(make: MakeTuner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tuner]:
    def build(*errors: BaseException | None, **options: Any) -> Tuner:
        monkeypatch.setattr(Failing, "errors", list(errors))
        return make(Failing, **options)

    return build


def states(trials: list[optuna.trial.FrozenTrial]) -> list[str]:
    return [trial.state.name for trial in trials]


def test_a_function_is_searched(make: MakeTuner, load_trials: LoadTrials) -> None:
    tuner = make(Parabola, max_trials=8)
    tuner.search(verbose=0)
    trials = load_trials()
    assert states(trials) == ["COMPLETE"] * 8
    # The first one too, whose hyperparameter was not known before it ran.
    assert all(trial.value == trial.params["x"] ** 2 + 1 for trial in trials)
    best = min(trials, key=lambda trial: trial.value or 0.0)
    (hyperparameters,) = tuner.get_best_hyperparameters(1)
    assert hyperparameters.values == best.params
    assert tuner.remaining_trials == 0


def test_the_results_are_there_in_the_next_process(
    make: MakeTuner, load_trials: LoadTrials, capsys: pytest.CaptureFixture[str]
) -> None:
    make(Parabola).search(verbose=0)
    again = make(Parabola)
    capsys.readouterr()
    again.results_summary()
    assert capsys.readouterr().out.count("Score: ") == 3
    before = again.get_best_hyperparameters(1)[0].values
    again.reload()
    assert again.get_best_hyperparameters(1)[0].values == before
    again.search(verbose=0)
    assert len(load_trials()) == 3


def test_more_trials_go_on_where_fewer_ended(make: MakeTuner, load_trials: LoadTrials) -> None:
    make(Parabola, max_trials=4).search(verbose=0)
    make(Parabola, max_trials=9).search(verbose=0)
    values = [trial.params["x"] for trial in load_trials()]
    assert len(set(values)) == len(values) == 9


def test_the_same_seed_searches_the_same(make: MakeTuner, load_trials: LoadTrials) -> None:
    found = []
    for seed in (5, 5, 6):
        make(Conditional, max_trials=12, seed=seed, overwrite=True).search(verbose=0)
        found.append([trial.params for trial in load_trials()])
    # The defaults of hyperparameters that appear in a trial are KerasTuner's, and no draw.
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_overwriting_begins_anew(make: MakeTuner, load_trials: LoadTrials) -> None:
    make(Parabola, max_trials=5).search(verbose=0)
    make(Parabola, max_trials=2, overwrite=True).search(verbose=0)
    assert len(load_trials()) == 2


def test_a_study_elsewhere_is_overwritten_too(make: MakeTuner, place: Path) -> None:
    url = f"sqlite:///{place}/studies.db"
    for _ in range(2):
        make(Parabola, storage=url, overwrite=True).search(verbose=0)
    assert len(optuna.load_study(study_name="toy", storage=url).trials) == 3
    assert not (place / "tuning" / "toy" / "optuna.db").exists()


def test_inactive_hyperparameters_have_no_values(
    make: MakeTuner, load_trials: LoadTrials, find_runs: FindRuns
) -> None:
    tuner = make(Conditional, max_trials=15)
    tuner.search(verbose=0)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 15
    names = {
        "cnn": {"kind", "units [kind=cnn]"},
        "mlp": {"kind", "units [kind=mlp]"},
        "rnn": {"kind", "rate [kind=rnn] (reverse_log)"},
    }
    trials = load_trials()
    assert {trial.params["kind"] for trial in trials} == set(names)
    for trial in trials:
        assert set(trial.params) == names[trial.params["kind"]]
    runs = find_runs()[1:]
    assert len(runs) == 15
    for run in runs:
        trial = trials[int(run.data.tags["finesweep.trial"])]
        known = tuner.oracle.trials[trial.user_attrs["keras_tuner_trial"]].hyperparameters.values
        assert run.data.params == {name: str(value) for name, value in known.items()}


def test_a_trial_that_failed_is_tried_again(
    failing: Callable[..., Tuner], load_trials: LoadTrials, find_runs: FindRuns
) -> None:
    tuner = failing(None, RuntimeError("out of luck"), max_trials=2, max_retries_per_trial=1)
    tuner.search(verbose=0)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 2
    trials = load_trials()
    assert states(trials) == ["COMPLETE", "FAIL", "COMPLETE"]
    assert trials[1].params == trials[2].params
    assert [trial.user_attrs["keras_tuner_trial"] for trial in trials] == ["0", "1", "1"]
    _, _, failed, again = find_runs()
    assert (failed.info.status, again.info.status) == ("FAILED", "FINISHED")
    assert failed.data.tags["finesweep.reason"] == "RuntimeError: out of luck"
    artifacts = Path(failed.info.artifact_uri)
    assert "out of luck" in (artifacts / "traceback.txt").read_text()


def test_a_result_that_is_no_number_is_tried_again(
    make: MakeTuner, load_trials: LoadTrials
) -> None:
    results = [float("nan"), 2.0, 3.0]

    class Unlucky(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            trial.hyperparameters.Float("x", 0, 1)
            return results.pop(0)

    tuner = make(Unlucky, max_trials=2, max_retries_per_trial=1)
    tuner.search(verbose=0)
    assert [trial.score for trial in tuner.oracle.trials.values()] == [2.0, 3.0]
    assert [trial.value for trial in load_trials()] == [None, 2.0, 3.0]


def test_too_many_failures_end_the_search_as_in_keras_tuner(
    failing: Callable[..., Tuner], load_trials: LoadTrials, find_runs: FindRuns
) -> None:
    errors = [ValueError("no")] * 3
    with pytest.raises(RuntimeError, match="consecutive failures exceeded the limit of 3"):
        failing(*errors, max_trials=9).search(verbose=0)
    assert states(load_trials()) == ["FAIL"] * 3
    assert [run.info.status for run in find_runs()] == ["FAILED"] * 4


def test_a_failed_trial_error_is_not_tried_again(
    failing: Callable[..., Tuner], load_trials: LoadTrials
) -> None:
    error = keras_tuner.errors.FailedTrialError("too slow")
    failing(error, max_trials=2, max_retries_per_trial=5).search(verbose=0)
    assert states(load_trials()) == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(keras_tuner.errors.FatalValueError("stop"), "FAILED"), (KeyboardInterrupt(), "KILLED")],
)
def test_what_ends_the_search_leaves_a_trial_to_go_on_with(
    failing: Callable[..., Tuner],
    load_trials: LoadTrials,
    find_runs: FindRuns,
    error: BaseException,
    status: str,
) -> None:
    tuner = failing(None, error, max_trials=3)
    with pytest.raises(type(error)):
        tuner.search(verbose=0)
    assert states(load_trials()) == ["COMPLETE", "FAIL"]
    assert [run.info.status for run in find_runs()] == [status, "FINISHED", "KILLED"]
    # As in a notebook, where the tuner is still there.
    tuner.search(verbose=0)
    trials = load_trials()
    assert states(trials) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[1].params == trials[2].params
    assert find_runs()[0].info.status == "FINISHED"


def test_nothing_is_tried_twice_and_an_exhausted_space_ends_the_search(
    make: MakeTuner, load_trials: LoadTrials
) -> None:
    def build(hp: Any) -> None:
        hp.Choice("a", [1, 2])
        hp.Boolean("b")

    class Small(Tuner):
        def _populate_initial_space(self) -> None:
            build(self.oracle.hyperparameters)

        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            build(trial.hyperparameters)
            return float(trial.hyperparameters["a"])

    tuner = make(Small, max_trials=50)
    tuner.search(verbose=0)
    tried = [tuple(t.hyperparameters.values.values()) for t in tuner.oracle.trials.values()]
    assert sorted(tried) == [(1, False), (1, True), (2, False), (2, True)]
    complete = [trial for trial in load_trials() if trial.state == TrialState.COMPLETE]
    assert len(complete) == 4


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes"])
def test_every_sampler_goes_on_with_what_it_has(
    make: MakeTuner, load_trials: LoadTrials, sampler: str
) -> None:
    for trials in (4, 8):
        make(Conditional, sampler=sampler, max_trials=trials).search(verbose=0)
    complete = [trial for trial in load_trials() if trial.state == TrialState.COMPLETE]
    assert len(complete) == 8


def test_a_grid_is_searched_to_its_end(make: MakeTuner) -> None:
    space = keras_tuner.HyperParameters()
    space.Int("a", 1, 3)
    space.Boolean("b")

    class Grid(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            return float(trial.hyperparameters.get("a"))

    tuner = make(Grid, sampler="grid", hyperparameters=space, max_trials=None)
    tuner.search(verbose=0)
    assert len(tuner.oracle.trials) == 6


def test_a_grid_goes_on_after_an_attempt_that_broke_off_before_it_had_drawn_all(
    make: MakeTuner, load_trials: LoadTrials
) -> None:
    class BreaksOff(Tuner):
        """Draws the second name late, and fails before it does the first time."""

        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            hp = trial.hyperparameters
            units = hp.Choice("units", [8, 16])
            if not load_trials()[1:]:
                raise keras_tuner.errors.FailedTrialError("too early")
            return float(units + hp.Choice("batch_size", [1, 2]))

    for trials in (1, 50):
        tuner = make(BreaksOff, sampler="grid", max_trials=trials, max_retries_per_trial=1)
        tuner.search(verbose=0)
    complete = [trial for trial in load_trials() if trial.state == TrialState.COMPLETE]
    points = sorted((t.params["units"], t.params["batch_size"]) for t in complete)
    assert points == [(8, 1), (8, 2), (16, 1), (16, 2)]


def test_a_grid_tries_nothing_again_that_failed_and_leaves_nothing_out(
    make: MakeTuner, load_trials: LoadTrials
) -> None:
    class FailsAtTimes(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            a, b = (trial.hyperparameters.Int(name, 1, 5) for name in "ab")
            if (a + b) % 3 == 0:
                raise keras_tuner.errors.FailedTrialError("not these")
            return float(a + b)

    tuner = make(FailsAtTimes, sampler="grid", max_trials=None, max_consecutive_failed_trials=20)
    tuner.search(verbose=0)
    run = [trial for trial in load_trials() if outcome_of(trial).ending != "known"]
    points = [tuple(trial.params.values()) for trial in run]
    assert len(points) == len(set(points)) == 25
    failed = [trial for trial in run if trial.state == TrialState.FAIL]
    assert len(failed) == sum((a + b) % 3 == 0 for a in range(1, 6) for b in range(1, 6))


def test_a_grid_of_what_is_tuned_ends_whatever_else_is_declared(
    make: MakeTuner, load_trials: LoadTrials
) -> None:
    class DeclaresMore(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            hp = trial.hyperparameters
            return float(hp.get("a") + hp.Int("b", 1, 9))

    space = keras_tuner.HyperParameters()
    space.Int("a", 1, 3)
    make(
        DeclaresMore,
        sampler="grid",
        hyperparameters=space,
        tune_new_entries=False,
        max_trials=None,
    ).search(verbose=0)
    assert sorted(str(trial.params) for trial in load_trials()) == [
        "{'a': 1}",
        "{'a': 2}",
        "{'a': 3}",
    ]


def test_a_sampler_of_ones_own_and_an_enqueued_trial(
    make: MakeTuner, load_trials: LoadTrials, place: Path
) -> None:
    space = keras_tuner.HyperParameters()
    space.Float("x", -2.0, 2.0)
    url = f"sqlite:///{place}/studies.db"
    optuna.create_study(study_name="toy", storage=url).enqueue_trial({"x": 0.5})
    sampler = optuna.samplers.RandomSampler(seed=3)
    make(Parabola, hyperparameters=space, sampler=sampler, storage=url).search(verbose=0)
    trials = optuna.load_study(study_name="toy", storage=url).trials
    assert trials[0].params == {"x": 0.5}
    assert states(trials) == ["COMPLETE"] * 3


def test_a_study_that_others_know_of_is_held_like_a_sweeps(make: MakeTuner, place: Path) -> None:
    url = f"sqlite:///{place}/studies.db"
    with (
        coordinator_lock(url, "toy", workdir=place),
        pytest.raises(StudyError, match="the sweep 'toy' is being run by"),
    ):
        make(Parabola, storage=url).search(verbose=0)
    make(Parabola, storage=url).search(verbose=0)
    assert len(optuna.load_study(study_name="toy", storage=url).trials) == 3


def test_overwriting_waits_for_the_search_that_runs(
    make: MakeTuner, load_trials: LoadTrials
) -> None:
    class Again(Parabola):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            with pytest.raises(StudyError, match="another process searches in"):
                make(Parabola, overwrite=True)
            return super().run_trial(trial)

    make(Again).search(verbose=0)
    assert states(load_trials()) == ["COMPLETE"] * 3


def test_the_study_says_what_its_values_are(make: MakeTuner, place: Path) -> None:
    make(Parabola).search(verbose=0)
    study = load_study(f"sqlite:///{place}/tuning/toy/optuna.db", "toy")
    assert study.metric_names == ["default_objective"]


def test_a_metric_by_class_is_its_mean(make: MakeTuner, load_trials: LoadTrials) -> None:
    class ByClass(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            trial.hyperparameters.Float("x", 0.0, 1.0)
            logs: Any = {"val_f1": np.array([0.25, 0.75]), "val_loss": 1.0}
            self.on_epoch_end(trial, None, 0, logs=logs)
            return {"val_f1": 0.5}

    make(ByClass, objective=keras_tuner.Objective("val_f1", "max")).search(verbose=0)
    assert [trial.intermediate_values for trial in load_trials()] == [{1: 0.5}] * 3


def test_objectives_as_keras_tuner_takes_them(make: MakeTuner, place: Path) -> None:
    class Two(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            x = trial.hyperparameters.Float("x", 0.0, 1.0)
            return {"val_loss": x, "val_accuracy": 1 - x, "multi_objective": 2 * x - 1}

    def direction(name: str, objective: Any) -> str:
        make(Two, objective=objective, project_name=name, max_trials=1).search(verbose=0)
        url = f"sqlite:///{place}/tuning/{name}/optuna.db"
        return str(optuna.load_study(study_name=name, storage=url).direction.name)

    assert direction("loss", "val_loss") == "MINIMIZE"
    assert direction("accuracy", "val_accuracy") == "MAXIMIZE"
    assert direction("own", keras_tuner.Objective("val_loss", "max")) == "MAXIMIZE"
    assert direction("both", ["val_loss", "val_accuracy"]) == "MINIMIZE"


def test_mistakes_are_told_as_keras_tuner_tells_them(make: MakeTuner) -> None:
    with pytest.raises(ValueError, match="Could not infer optimization direction"):
        make(Parabola, objective="quality")
    with pytest.raises(ValueError, match="tune_new_entries"):
        make(Parabola, tune_new_entries=False)
    with pytest.raises(ValueError, match="expected a hypermodel, received None"):
        make(Tuner)
    with pytest.raises(ValueError, match="callable"):
        make(Tuner, hypermodel=3)
    with pytest.raises(ValueError, match=r"Unrecognized arguments \['colour'\]"):
        make(Parabola, colour="blue")
    with pytest.raises(ValueError, match="'max_epochs'; it is Hyperband's"):
        make(Parabola, max_epochs=3)
    closed = make(Parabola, hyperparameters=_fixed_space(), allow_new_entries=False)
    with pytest.raises(RuntimeError, match="`allow_new_entries` is `False`"):
        closed.search(verbose=0)


def test_mistakes_with_the_study(make: MakeTuner, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudyError, match="or one of tpe, random, .*, received 'best'"):
        make(Parabola, sampler="best")
    with pytest.raises(StudyError, match="or one of none, median, .*, received 'best'"):
        make(Parabola, pruner="best")
    with pytest.raises(StudyError, match="expected a database URL"):
        make(Parabola, storage="here").search(verbose=0)
    make(Parabola).search(verbose=0)
    objective = keras_tuner.Objective("default_objective", "max")
    with pytest.raises(StudyError, match='started with Objective.*direction="min"'):
        make(Parabola, objective=objective).search(verbose=0)
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner1")
    with pytest.raises(StudyError, match="unset it"):
        make(Parabola)


def test_one_search_at_a_time(make: MakeTuner) -> None:
    class Nested(Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            with pytest.raises(StudyError, match="another process searches"):
                make(Parabola).search(verbose=0)
            return 1.0

    tuner = make(Nested, max_trials=1)
    tuner.search(verbose=0)
    assert tuner.oracle.get_best_trials()[0].score == 1.0


def test_a_file_is_whole_whenever_the_process_is_killed(
    make: MakeTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner = make(Parabola)
    tuner.search(verbose=0)
    oracle = Path("tuning/toy/oracle.json")
    before = oracle.read_text()

    def die(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        tuner.save()
    assert oracle.read_text() == before
    assert json.loads(before)["end_order"] == ["0", "1", "2"]


def _fixed_space() -> keras_tuner.HyperParameters:
    space = keras_tuner.HyperParameters()
    space.Int("layers", 1, 3)
    return space


class OwnLoop(keras_tuner.HyperModel):
    """KerasTuner's example of a training loop by hand, for a point and a side of a plane."""

    def build(self, hp: Any) -> Any:
        units = hp.Int("units", 4, 8, step=4)
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)]
        )

    def fit(
        self, hp: Any, model: Any, x: Any, y: Any, validation_data: Any, callbacks: Any = None
    ) -> float:
        rows = tf.data.Dataset.from_tensor_slices((x, y)).batch(hp.Int("size", 8, 32, step=8))
        optimizer = keras.optimizers.Adam(hp.Float("rate", 1e-3, 1e-1, sampling="log"))
        loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
        for callback in callbacks:
            callback.set_model(model)
        losses = []
        for epoch in range(2):
            for points, sides in rows:
                with tf.GradientTape() as tape:
                    loss = loss_of(sides[:, None], model(points, training=True))
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply(gradients, model.trainable_variables)
            points, sides = validation_data
            losses.append(float(loss_of(sides[:, None], model(points))))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_metric": losses[-1]})
        return min(losses)


def test_a_training_loop_by_hand(
    make: MakeTuner, load_trials: LoadTrials, find_runs: FindRuns, data: tuple[Any, Any]
) -> None:
    objective = keras_tuner.Objective("my_metric", "min")
    tuner = make(Tuner, OwnLoop(), objective=objective)
    tuner.search(*data, validation_data=data)
    trials = load_trials()
    assert states(trials) == ["COMPLETE"] * 3
    for trial in trials:
        assert list(trial.intermediate_values) == [1, 2]
        assert trial.value == pytest.approx(min(trial.intermediate_values.values()))
        assert trial.params.keys() == {"units", "size", "rate"}
    assert [run.info.status for run in find_runs()] == ["FINISHED"] * 4
    best = min(trials, key=lambda trial: trial.value or 0.0)
    assert tuner.get_best_hyperparameters()[0].values == best.params
    loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
    loss = float(loss_of(data[1][:, None], tuner.get_best_models()[0](data[0])))
    assert loss == pytest.approx(best.value, rel=1e-4)
