from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finesweep import registry
from finesweep.tracking import TrackingStore

# The bench for these tests to import, and the trainer for a worker, which takes over this path.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from sweep_bench import Bench, RecordingObserver


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> TrackingStore:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return TrackingStore.open(root=tmp_path_factory.mktemp("mlruns"))


@pytest.fixture
def packaging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages trials in a millisecond; ``indirect`` with ``"real"`` for MLflow's own half second.

    The store only asks that there is an MLmodel file, and the sweep where the checkpoint is.
    """
    if getattr(request, "param", None) == "real":
        return

    def package(checkpoint: Path, into: Path, *, max_length: int) -> Path:
        (into / "artifacts").mkdir(parents=True)
        (into / "MLmodel").write_text(f"max_length: {max_length}\n")
        checkpoint.rename(into / "artifacts" / "checkpoint")
        return into

    monkeypatch.setattr(registry, "package", package)


@pytest.fixture
def bench(tmp_path: Path, store: TrackingStore, packaging: None) -> Iterator[Bench]:
    made = Bench(folder=tmp_path, store=store)
    made.script()
    yield made
    if made.engine is not None:
        made.engine.close()


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver()
