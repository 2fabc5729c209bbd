"""A scene for each test, and nothing of it left running afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finesweep.tracking import TrackingStore

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tracking" / "support"))

from mlflow_server import MlflowServer
from scene import Scene


@pytest.fixture
def scene(tiny_checkpoint: Path, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene.set_up(tmp_path / "scene", tiny_checkpoint)
    yield scene
    assert scene.orphans() == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    """A tracking server that runs on a database and artifacts of its own in ``served``."""
    served = tmp_path / "served"
    TrackingStore.open(root=served)
    server = MlflowServer(
        served / "mlflow.db", "--artifacts-destination", str(served / "artifacts")
    )
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        server.opened(patch)
    yield server
    server.end()
