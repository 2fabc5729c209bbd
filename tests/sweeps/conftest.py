from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finesweep.tracking import TrackingStore

# The bench for these tests to import, and the trainer for a worker, which takes over this path.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from sweep_bench import Bench, RecordingObserver  # noqa: E402


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> TrackingStore:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return TrackingStore.open(root=tmp_path_factory.mktemp("mlruns"))


@pytest.fixture
def bench(tmp_path: Path, store: TrackingStore) -> Iterator[Bench]:
    made = Bench(folder=tmp_path, store=store)
    made.script()
    yield made
    if made.engine is not None:
        made.engine.close()


@pytest.fixture
def observer() -> RecordingObserver:
    return RecordingObserver()
