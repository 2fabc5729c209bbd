"""A folder to search in, with an empty MLflow store, and a small thing to learn."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from finesweep.keras_tuner import Tuner
from finesweep.sweeps.study import load_study
from finesweep.tracking import TrackingStore

Data = tuple[Any, Any]
FindRuns = Callable[[], list[Any]]
LoadTrials = Callable[[], list[optuna.trial.FrozenTrial]]
MakeTuner = Callable[..., Tuner]

sys.path.insert(0, str(Path(__file__).parent / "support"))
# The server that the tests of the tracking store have.
sys.path.insert(0, str(Path(__file__).parents[2] / "tracking" / "support"))


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database nobody wrote to; creating one takes MLflow seconds, copying it none."""
    root = tmp_path_factory.mktemp("fresh")
    TrackingStore.open(root=root)
    return root / "mlflow.db"


@pytest.fixture(autouse=True)
def place(fresh_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a script, with its mlruns."""
    (tmp_path / "mlruns").mkdir()
    shutil.copy(fresh_database, tmp_path / "mlruns")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def find_runs() -> FindRuns:
    """Every run of the store, in the order in which they began."""

    def find() -> list[Any]:
        client = TrackingStore.open().client
        experiments = [found.experiment_id for found in client.search_experiments()]
        return list(client.search_runs(experiments, order_by=["attributes.start_time ASC"]))

    return find


@pytest.fixture
def load_trials(place: Path) -> LoadTrials:
    """The trials of the study in the project's folder."""
    return lambda: load_study(f"sqlite:///{place}/tuning/toy/optuna.db", "toy").get_trials()


@pytest.fixture
def nobody() -> str:
    """The URL of a server that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def make() -> MakeTuner:
    """Makes a tuner of a class, in the project that the fixtures look at."""

    def make(kind: type[Tuner], hypermodel: Any = None, **options: Any) -> Tuner:
        return kind(
            hypermodel,
            **{"max_trials": 3, "seed": 1, "directory": "tuning", "project_name": "toy", **options},
        )

    return make


@pytest.fixture(scope="session")
def data() -> Data:
    """Points, and on which side of a plane they lie."""
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    return x, (x.sum(axis=1) > 0).astype("float32")
