"""Sweeps of a hypermodel with real workers, study and MLflow store."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from finesweep.config import SweepConfig
from finesweep.data import PreparedData
from finesweep.errors import SweepFailedError, UserError
from finesweep.registry import predict
from finesweep.sweeps import SweepResult, load_result, run_sweep
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.sweeps.observer import NullObserver
from finesweep.sweeps.oracles.rungs import rung_of
from finesweep.sweeps.study import load_study
from finesweep.tracking import TrackingStore
from finesweep.training import Tick, TrainingSetup

pytestmark = pytest.mark.slow


class Acting(NullObserver):
    """Does something at one tick of one trial."""

    def __init__(self, act: Callable[[], None], *, trial: int, tick: int) -> None:
        self._act: Callable[[], None] | None = act
        self._at = (trial, tick)

    def ticked(self, number: int, tick: Tick, total_ticks: int) -> None:
        if self._act is not None and (number, tick.number) == self._at:
            self._act()
            self._act = None


class Bench:
    """A folder for a sweep of one of the support module's hypermodels."""

    def __init__(self, folder: Path, *, setup: TrainingSetup, data: PreparedData) -> None:
        self.folder = folder
        self.data = data
        self._setup = setup
        self.store = TrackingStore.open(root=folder / "mlruns")
        self.study_url = f"sqlite:///{folder}/optuna.db"
        self.engine: LocalEngine | None = None

    def config(self, **changes: Any) -> SweepConfig:
        experiment = {
            "name": "tiny",
            "data": {"path": "rows.json"},
            "metric": "val/loss",
            "epochs": 3,
            "max_length": 12,
            "batch_size": 8,
            "learning_rate": 0.5,
        }
        values: dict[str, Any] = {"name": "search", "experiment": experiment, "trials": 3}
        values |= {"hypermodel": "hypermodels:build_model", "pruner": {"name": "none"}}
        return SweepConfig.model_validate({**values, **changes})

    def run(
        self, config: SweepConfig, observer: NullObserver | None = None, *, workers: int = 1
    ) -> SweepResult:
        assert config.hypermodel is not None
        assert self._setup.hypermodel is not None
        hypermodel = replace(
            self._setup.hypermodel,
            name=config.hypermodel,
            searched=tuple(config.study_space.entries()),
        )
        setup = replace(self._setup, hypermodel=hypermodel, continuable=config.sampler.is_hyperband)
        self.engine = LocalEngine(setup, workers=workers, logs=self.folder / "logs", threads=1)
        return run_sweep(
            config,
            setup=setup,
            data=self.data,
            store=self.store,
            study_url=self.study_url,
            engine=self.engine,
            observer=observer or NullObserver(),
            workdir=self.folder / "work",
        )

    def search_in(self, folder: Path) -> None:
        """Look for modules in ``folder`` too."""
        assert self._setup.hypermodel is not None
        folders = (*self._setup.hypermodel.folders, folder)
        self._setup = replace(
            self._setup, hypermodel=replace(self._setup.hypermodel, folders=folders)
        )

    def mlflow_params(self, run_id: str | None) -> dict[str, str]:
        params: dict[str, str] = self.store.client.get_run(run_id).data.params
        return params


@pytest.fixture
def bench(tmp_path: Path, setup: TrainingSetup, prepared: PreparedData) -> Bench:
    return Bench(tmp_path, setup=setup, data=prepared)


def test_two_workers_from_a_kill_to_a_registered_model(bench: Bench) -> None:
    """A worker is killed in a trial's third epoch: it goes on with its values from the second."""

    def kill() -> None:
        assert bench.engine is not None
        (pid,) = (worker.pid for worker in bench.engine.workers if worker.trial == 0)
        os.kill(pid, signal.SIGKILL)

    config = bench.config(
        space={"batch_size": {"choices": [8, 16]}},
        register={"name": "words", "stage": "Staging"},
    )
    result = bench.run(config, Acting(kill, trial=0, tick=9), workers=2)
    assert [trial.state for trial in result.trials] == ["completed"] * 3
    assert [trial.attempts for trial in result.trials] == [2, 1, 1]
    assert len({str(trial.drawn) for trial in result.trials}) == 3
    log = "".join(file.read_text() for file in (bench.folder / "logs").iterdir())
    assert log.count("Epoch 1/3") == 3  # the killed trial's first epoch was trained once
    study = load_study(bench.study_url, "search")
    for trial, frozen in zip(result.trials, study.trials, strict=True):
        assert set(trial.drawn) == {
            *("num_layers", "units_0", "activation", "dropout", "lr", "batch_size", "epochs"),
            *(("units_1",) if trial.drawn["num_layers"] == 2 else ()),
            "max_length",
        }
        assert {name: trial.drawn[name] for name in frozen.params} == frozen.params
        assert trial.hyperparameters.batch_size == frozen.params["batch_size"]
        shown = {name: str(value) for name, value in trial.drawn.items()}
        assert bench.mlflow_params(trial.run_id) == shown
    assert load_result(bench.study_url, "search").trials == result.trials
    assert result.test_metrics["test/accuracy"] > 0.9
    texts = ["good sun", "bad rain"]
    assert predict(bench.store, "models:/words/Staging", texts).labels == ("good", "bad")


def test_pruned_at_a_tick_and_continued_by_a_second_call(bench: Bench) -> None:
    """A conditional space, and values of the first call that the second one proposes from."""
    config = bench.config(
        hypermodel="hypermodels:build_either",
        trials=5,
        pruner={"name": "median", "warmup_epochs": 0.25, "n_startup_trials": 1},
    )
    first = bench.run(config.model_copy(update={"trials": 2}))
    result = bench.run(config)
    assert result.trials[:2] == first.trials
    states = [trial.state for trial in result.trials]
    assert set(states) == {"completed", "pruned"}
    for trial in result.trials:
        allowed = (8, 16) if trial.drawn["kind"] == "mean" else (4, 12)
        assert trial.drawn["units"] in allowed
        if trial.state == "pruned":
            metrics = bench.store.client.get_metric_history(trial.run_id, "val/loss")
            assert 0 < len(metrics) < 12


def test_hyperband_goes_on_with_the_models_of_a_hypermodel(bench: Bench) -> None:
    """Two trials of one epoch, the better of which goes on to two, and two of two epochs."""
    sampler = {"name": "keras_tuner.hyperband", "max_epochs": 2, "factor": 2, "seed": 5}
    result = bench.run(bench.config(sampler=sampler, trials=20))
    assert result.stopped_by == "keras_tuner.hyperband has nothing left to try (5 are done)"
    trials = load_study(bench.study_url, "search").trials
    ((promoted, past),) = [
        (trial, trials[rung.continues])
        for trial in trials
        if (rung := rung_of(trial)) and rung.continues is not None
    ]
    assert promoted.params == {**past.params, "epochs": 2}
    ticks = [sorted(trial.intermediate_values) for trial in (past, promoted)]
    assert ticks == [[1, 2, 3, 4], [5, 6, 7, 8]]
    log = "".join(file.read_text() for file in (bench.folder / "logs").iterdir())
    assert log.count("Epoch 1/2") == 2  # of the two that were not promoted


def test_a_module_that_cannot_be_imported_costs_no_trial(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "half_written.py").write_text("import keras\nkeras.layers.Dens\n")
    bench.search_in(tmp_path)
    with pytest.raises(UserError, match="half_written cannot be imported: AttributeError") as told:
        bench.run(bench.config(hypermodel="half_written:build_model"))
    assert "hypermodel" in str(told.value)
    (trial,) = load_study(bench.study_url, "search").trials
    assert trial.state == TrialState.WAITING


def test_a_hypermodel_that_cannot_be_built_fails_its_trials(bench: Bench) -> None:
    config = bench.config(hypermodel="hypermodels:build_badly", retries=0, max_failures=2)
    with pytest.raises(SweepFailedError, match="the model is broken at layer 3"):
        bench.run(config)
    trials = load_result(bench.study_url, "search").trials
    assert [trial.state for trial in trials] == ["failed", "failed"]
    assert [set(trial.drawn) for trial in trials] == [{"units"}, {"units"}]
    text = bench.store.client.download_artifacts(trials[0].run_id, "traceback.txt")
    assert "in build_badly" in Path(text).read_text()


def test_a_loop_by_hand_is_swept_and_its_draws_are_the_trials(bench: Bench) -> None:
    """It draws two of the four itself: they are the trial's, and the model is registered."""
    result = bench.run(bench.config(hypermodel="hypermodels:OwnLoop", trials=2))
    for trial in result.trials:
        assert trial.state == "completed"
        assert trial.hyperparameters.learning_rate == trial.drawn["learning_rate"] != 0.5
        assert trial.hyperparameters.batch_size == trial.drawn["batch_size"]
