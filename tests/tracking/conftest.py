"""A SQLite store that is there, an outbox, a real server, and what runs are begun with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finesweep.data import DatasetIdentity
from finesweep.tracking import Delivery, Outbox, SweepRun, TrackingStore, TrialRun
from finesweep.training import Hyperparameters, Tick

sys.path.insert(0, str(Path(__file__).parent / "support"))

from mlflow_server import MlflowServer

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
        study_key="key of headlines-lr",
        config_yaml="name: headlines-lr\n",
        params={"sampler": "tpe", "trials": 20},
        dataset=DATASET,
    )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox.open(tmp_path / "work" / "outbox.db") as outbox:
        yield outbox


@pytest.fixture
def begin(
    sweep: SweepRun, hyperparameters: Hyperparameters, outbox: Outbox
) -> Callable[[int], TrialRun]:
    """Begins the run of a trial."""
    return lambda number: sweep.start_trial(number, hyperparameters, outbox=outbox)


@pytest.fixture
def deliver(store: TrackingStore, outbox: Outbox) -> Callable[[], None]:
    """Delivers what lies in the outbox to the SQLite store; nothing may be refused."""

    def deliver() -> None:
        with Delivery(outbox, store) as delivery:
            assert delivery.flush(30)
            assert (delivery.state.refused, delivery.state.reason) == (0, None), outbox.refusals()

    return deliver


@pytest.fixture
def tick() -> Callable[..., Tick]:
    return make_tick


def make_tick(number: int, **metrics: float) -> Tick:
    return Tick(
        number=number,
        epoch=number / 4,
        examples_seen=number * 100,
        seconds=number * 2.0,
        metrics={"train/loss": 0.5, "val/loss": 1 / number, **metrics},
        full_validation=False,
    )


@pytest.fixture
def server(fresh_database: Path, tmp_path: Path) -> Iterator[Callable[..., MlflowServer]]:
    """Starts a server with the options given, on a fresh database of the test's own."""
    started: list[MlflowServer] = []

    def start(*options: str) -> MlflowServer:
        shutil.copy(fresh_database, tmp_path / "served.db")
        started.append(MlflowServer(tmp_path / "served.db", *options))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.end()
