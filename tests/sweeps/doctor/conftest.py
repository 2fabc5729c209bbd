from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from doctor_bench import DoctorBench, package

from finesweep import registry
from finesweep.sweeps.storage import open_storage
from finesweep.tracking import TrackingStore


@pytest.fixture(scope="session")
def new_databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both databases and nothing in them; to make them takes seconds."""
    root = tmp_path_factory.mktemp("new") / "mlruns"
    TrackingStore.open(root=root)
    open_storage(f"sqlite:///{root}/optuna.db", writable=True)
    return root


@pytest.fixture
def bench(
    tmp_path: Path, new_databases: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DoctorBench]:
    monkeypatch.setattr(registry, "package", package)
    root = shutil.copytree(new_databases, tmp_path / "mlruns")
    made = DoctorBench(folder=tmp_path, store=TrackingStore.open(root=root))
    made.script()
    yield made
    if made.engine is not None:
        made.engine.close()
