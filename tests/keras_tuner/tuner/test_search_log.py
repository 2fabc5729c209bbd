"""MLflow is away for a while: the search goes on, and MLflow hears of everything later."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow_server import MlflowServer

from finesweep.keras_tuner import Tuner, search_log
from finesweep.tracking import TrackingStore

MakeTuner = Callable[..., Tuner]
FindRuns = Callable[[], list[Any]]
LoadTrials = Callable[[], list[optuna.trial.FrozenTrial]]


class Curve(Tuner):
    """Two epochs, told as a training loop of one's own tells them."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        x = trial.hyperparameters.Float("x", 0.0, 1.0)
        for epoch in (0, 1):
            self.on_epoch_end(trial, None, epoch, logs={"val_loss": x + 1 - epoch})
        return {"val_loss": x}


def check(runs: list[Any], trials: list[optuna.trial.FrozenTrial]) -> None:
    search, *children = runs
    assert search.info.status == "FINISHED"
    assert [child.data.tags["finesweep.trial"] for child in children] == [
        str(trial.number) for trial in trials
    ]
    client = TrackingStore.open().client
    for child, trial in zip(children, trials, strict=True):
        assert child.info.status == "FINISHED"
        assert child.data.params == {"x": str(trial.params["x"])}
        curve = client.get_metric_history(child.info.run_id, "val_loss")
        assert [(point.step, point.value) for point in curve] == [
            (step - 1, value) for step, value in trial.intermediate_values.items()
        ]
        assert child.data.metrics["best/val_loss"] == trial.value


def test_the_search_needs_no_mlflow(
    make: MakeTuner,
    find_runs: FindRuns,
    load_trials: LoadTrials,
    monkeypatch: pytest.MonkeyPatch,
    nobody: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nobody)
    with pytest.warns(RuntimeWarning, match="goes on without MLflow") as warned:
        make(Curve, objective="val_loss").search(verbose=0)
    assert len([warning for warning in warned if warning.category is RuntimeWarning]) == 1
    assert len(load_trials()) == 3
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    # The same script delivers it, with and without trials left to run.
    make(Curve, objective="val_loss").search(verbose=0)
    check(find_runs(), load_trials())
    make(Curve, objective="val_loss", max_trials=4).search(verbose=0)
    check(find_runs(), load_trials())
    assert not list(Path("tuning/toy/unlogged").iterdir())


@pytest.mark.slow
def test_mlflow_goes_away_and_comes_back(
    make: MakeTuner,
    find_runs: FindRuns,
    load_trials: LoadTrials,
    monkeypatch: pytest.MonkeyPatch,
    place: Path,
) -> None:
    monkeypatch.setattr(search_log, "_RETRY_SECONDS", 0.0)
    server = MlflowServer(place / "mlruns" / "mlflow.db")
    server.start()
    server.opened(monkeypatch)

    class Outage(Curve):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            if trial.trial_id == "0":
                server.end(signal.SIGKILL)
            if trial.trial_id == "2":
                server.start()
                server.opened(monkeypatch)
            return super().run_trial(trial)

    try:
        with pytest.warns(RuntimeWarning, match="goes on without MLflow"):
            make(Outage, objective="val_loss", max_trials=4).search(verbose=0)
        runs = find_runs()
        # Begun in the order in which that was possible.
        runs[1:] = sorted(runs[1:], key=lambda run: int(run.data.tags["finesweep.trial"]))
        check(runs, load_trials())
    finally:
        server.end()
