"""A SQLite store that is there, and what runs are begun with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from finesweep.data import DatasetIdentity
from finesweep.tracking import SweepRun, TrackingStore
from finesweep.training import Hyperparameters

HYPERPARAMETERS = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=3, max_length=64)
DATASET = DatasetIdentity(name="headlines", digest="ab" * 32, source="data/h.json", rows=1200)


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database nobody wrote to; creating one takes MLflow seconds, copying it none."""
    root = tmp_path_factory.mktemp("fresh")
    TrackingStore.open(root=root)
    return root / "mlflow.db"


@pytest.fixture
def store(fresh_database: Path, tmp_path: Path) -> TrackingStore:
    (tmp_path / "mlruns").mkdir()
    shutil.copy(fresh_database, tmp_path / "mlruns")
    return TrackingStore.open(root=tmp_path / "mlruns")


@pytest.fixture
def hyperparameters() -> Hyperparameters:
    return HYPERPARAMETERS


@pytest.fixture
def dataset() -> DatasetIdentity:
    return DATASET


@pytest.fixture
def sweep(store: TrackingStore) -> SweepRun:
    return SweepRun.start(
        store,
        experiment="headlines",
        name="headlines-lr",
        config_yaml="name: headlines-lr\n",
        params={"sampler": "tpe", "trials": 20},
        dataset=DATASET,
        tags={"finesweep.note": "first"},
    )
