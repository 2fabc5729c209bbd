"""Trials that the pruner ends, and what everybody says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner

from finesweep.keras_tuner import Tuner
from finesweep.tracking import TrackingStore

MakeTuner = Callable[..., Tuner]
LoadTrials = Callable[[], list[optuna.trial.FrozenTrial]]
FindRuns = Callable[[], list[Any]]
Data = tuple[Any, Any]


class AfterEpochs(BasePruner):
    """Prunes every trial but the first, after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.number > 0 and trial.last_step is not None and trial.last_step >= self._epochs


def build_model(hp: Any) -> Any:
    units = hp.Int("units", 1, 8)
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)]
    )
    model.compile(optimizer="sgd", loss="mse")
    return model


class Loop(Tuner):
    """A training loop of one's own of three epochs."""

    heeds = True

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        rate = trial.hyperparameters.Float("rate", 0.0, 1.0)
        model = keras.Model()
        losses = []
        for epoch in range(3):
            losses.append(rate / (epoch + 1))
            self.on_epoch_end(trial, model, epoch, logs={"val_loss": losses[-1]})
            if self.heeds and getattr(model, "stop_training", False):
                break
        return {"val_loss": min(losses), "epochs": len(losses)}


class Deaf(Loop):
    heeds = False


def test_a_pruned_model_counts_with_its_best_epoch(
    make: MakeTuner, data: Data, load_trials: LoadTrials, find_runs: FindRuns
) -> None:
    x, y = data
    tuner = make(
        Tuner,
        build_model,
        objective="val_loss",
        executions_per_trial=2,
        pruner=AfterEpochs(2),
        max_trials=2,
    )
    tuner.search(x, y, epochs=4, validation_data=(x, y), verbose=0)
    whole, pruned = tuner.oracle.trials.values()
    assert (whole.status, pruned.status) == ("COMPLETED", "COMPLETED")
    first, second = load_trials()
    assert (first.state.name, second.state.name) == ("COMPLETE", "PRUNED")
    assert list(first.intermediate_values) == [1, 2, 3, 4]
    assert list(second.intermediate_values) == [1, 2]
    assert pruned.score == pytest.approx(min(second.intermediate_values.values()))
    _, complete_run, pruned_run = find_runs()
    assert (complete_run.info.status, pruned_run.info.status) == ("FINISHED", "KILLED")
    assert pruned_run.data.tags["finesweep.ending"] == "pruned"
    client = TrackingStore.open().client

    def steps(run: Any, name: str) -> list[int]:
        return [point.step for point in client.get_metric_history(run.info.run_id, name)]

    assert steps(complete_run, "val_loss") == [0, 1, 2, 3]
    assert steps(complete_run, "execution_2/val_loss") == [0, 1, 2, 3]
    assert steps(pruned_run, "val_loss") == [0, 1]
    # It is not executed again.
    assert steps(pruned_run, "execution_2/val_loss") == []
    # And its model is there.
    models = tuner.get_best_models(2)
    losses = sorted(float(model.evaluate(x, y, verbose=0)) for model in models)
    assert pruned.score in [pytest.approx(loss, rel=1e-4) for loss in losses]


def test_the_last_epoch_is_not_pruned(make: MakeTuner, data: Data, load_trials: LoadTrials) -> None:
    x, y = data
    tuner = make(Tuner, build_model, objective="loss", pruner=AfterEpochs(2), max_trials=2)
    tuner.search(x, y, epochs=2, verbose=0)
    assert [trial.state.name for trial in load_trials()] == ["COMPLETE"] * 2


def test_a_loop_of_ones_own_is_asked_to_stop(make: MakeTuner, load_trials: LoadTrials) -> None:
    tuner = make(Loop, objective="val_loss", pruner=AfterEpochs(2))
    tuner.search(verbose=0)
    assert [trial.state.name for trial in load_trials()] == ["COMPLETE", "PRUNED", "PRUNED"]
    known = tuner.oracle.trials.values()
    assert [trial.metrics.get_last_value("epochs") for trial in known] == [3, 2, 2]


def test_a_loop_that_goes_on_is_complete(make: MakeTuner, load_trials: LoadTrials) -> None:
    make(Deaf, objective="val_loss", pruner=AfterEpochs(2)).search(verbose=0)
    trials = load_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3
    assert all(len(trial.intermediate_values) == 3 for trial in trials)


@pytest.mark.parametrize("pruner", ["median", "percentile", "asha", "hyperband"])
def test_every_pruner_by_name(make: MakeTuner, load_trials: LoadTrials, pruner: str) -> None:
    make(Loop, objective="val_loss", pruner=pruner, max_trials=12).search(verbose=0)
    states = {trial.state.name for trial in load_trials()}
    assert states <= {"COMPLETE", "PRUNED"}
    assert "COMPLETE" in states


def test_the_median_pruner_stops_the_worse(make: MakeTuner, load_trials: LoadTrials) -> None:
    make(Loop, objective="val_loss", pruner="median", sampler="random", max_trials=15).search(
        verbose=0
    )
    rates: dict[str, list[float]] = {"COMPLETE": [], "PRUNED": []}
    for trial in load_trials():
        rates[trial.state.name].append(trial.params["rate"])
    assert rates["PRUNED"]
    assert np.mean(rates["PRUNED"]) > np.mean(rates["COMPLETE"])


def test_callbacks_and_a_hypermodel_with_a_fit_of_its_own(
    make: MakeTuner, data: Data, load_trials: LoadTrials, find_runs: FindRuns
) -> None:
    class Own(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return build_model(hp)

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            epochs = hp.Int("epochs", 1, 3)
            hp.Float("rate", 0.0, 1.0)
            return model.fit(*args, epochs=epochs, batch_size=hp.Choice("batch", [8, 16]), **kwargs)

    class Notes(keras.callbacks.Callback):
        def on_train_end(self, logs: Any = None) -> None:
            with Path("ends.txt").open("a") as file:
                file.write("end\n")

    x, y = data
    tuner = make(Tuner, Own(), objective="val_loss", max_trials=3)
    tuner.search(x, y, validation_data=(x, y), callbacks=[Notes()], verbose=0)
    assert Path("ends.txt").read_text() == "end\n" * 3
    trials = load_trials()
    # The first trial's epochs appeared while it was fitted.
    assert [len(trial.intermediate_values) for trial in trials] == [
        trial.params["epochs"] for trial in trials
    ]
    assert {run.data.params["epochs"] for run in find_runs()[1:]} == {
        str(trial.params["epochs"]) for trial in trials
    }
