"""A store with one registered model in it, made of the tiny checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from finesweep.data import DatasetIdentity
from finesweep.registry import package
from finesweep.tracking import Delivery, Outbox, SweepRun, TrackingStore
from finesweep.training import Hyperparameters

LABELS = ("plain", "satire", "other")
DATASET = DatasetIdentity(name="headlines", digest="ab" * 32, source="h.json", rows=1200)
HYPERPARAMETERS = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=3, max_length=16)


def _start_sweep(store: TrackingStore) -> SweepRun:
    return SweepRun.start(
        store,
        experiment="headlines",
        name="lr",
        study_key="key of lr",
        config_yaml="",
        params={},
        dataset=DATASET,
    )


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database nobody wrote to; creating one takes MLflow seconds, copying it none."""
    root = tmp_path_factory.mktemp("fresh")
    TrackingStore.open(root=root)
    return root / "mlflow.db"


@pytest.fixture(scope="session")
def packaged(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint as a packaged model."""
    folder = tmp_path_factory.mktemp("packaged")
    shutil.copytree(tiny_checkpoint, folder / "checkpoint")
    return package(folder / "checkpoint", folder / "model", max_length=16)


@pytest.fixture
def store(fresh_database: Path, tmp_path: Path) -> TrackingStore:
    (tmp_path / "mlruns").mkdir()
    shutil.copy(fresh_database, tmp_path / "mlruns")
    return TrackingStore.open(root=tmp_path / "mlruns")


@pytest.fixture
def finished_run(store: TrackingStore, packaged: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes one more finished trial with a model each time it is called; gives its run id."""
    sweep = _start_sweep(store)
    made: list[str] = []

    def make() -> str:
        with Outbox.open(tmp_path / "outbox.db") as outbox, Delivery(outbox, store) as delivery:
            trial = sweep.start_trial(len(made), HYPERPARAMETERS, outbox=outbox)
            trial.log_metrics({"val/accuracy": 0.9125})
            trial.log_model(Path(shutil.copytree(packaged, tmp_path / f"model-{len(made)}")))
            trial.end("FINISHED", ending="completed")
            assert delivery.flush(10.0)
        made.append(trial.run_id)
        return trial.run_id

    return make
