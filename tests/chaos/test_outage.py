"""The tracking server goes away while a sweep runs; databases are locked by somebody else."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from audit import Audit, audit
from command import Command
from mlflow_server import MlflowServer
from scene import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AWAY = "the tracking store does not answer"
BACK = "the tracking store is back"

# Trials of some seconds, so that both outages come while there are more of them to run.
TOTAL = 6
LONG_TRIALS = ("space.epochs={low: 30, high: 40}", "space.batch_size=4", "pruner.name=none")


def test_a_server_that_goes_away_and_comes_back_twice(
    scene: Scene, server: MlflowServer, tmp_path: Path
) -> None:
    command = Command.start(
        scene, "outage", f"trials={TOTAL}", *LONG_TRIALS, MLFLOW_TRACKING_URI=server.url
    )
    # In the middle of two trials, and again while what waited is being delivered.
    command.wait_for("t000 tick 5/", "t001 started")
    server.end(signal.SIGKILL)
    command.wait_for(AWAY)
    time.sleep(20)
    server.start()
    command.wait_for(BACK)
    server.end(signal.SIGKILL)
    command.wait_for(AWAY, times=2)
    server.start()
    assert command.end() == 0, command.said
    assert command.said.count(BACK) == command.said.count(AWAY)
    found = audited(scene, "outage", total=TOTAL, served=tmp_path / "served")
    assert found.is_clean, f"{found}\n{command.said}"
    assert runs_in_order(tmp_path / "served" / "mlflow.db") == TOTAL


def test_a_server_that_stays_away(scene: Scene, server: MlflowServer, tmp_path: Path) -> None:
    settings = ("trials=2", "tracking_timeout=3s", "space.epochs={low: 5, high: 6}")
    command = Command.start(scene, "away", *settings, MLFLOW_TRACKING_URI=server.url)
    command.wait_for("t000 tick 2/", "t001 started")
    server.end(signal.SIGKILL)
    assert command.end() == 2, command.said
    assert AWAY in command.said
    assert "Traceback" not in command.said
    assert command.last_line.startswith("error: ")
    assert "records still wait on disk" in command.last_line
    assert "'finesweep doctor --repair' delivers them" in command.last_line
    assert "so does the same command" in command.last_line
    assert scene.orphans() == []

    server.start()
    wait_until_there(server)
    command = Command.start(scene, "away", *settings, MLFLOW_TRACKING_URI=server.url)
    assert command.end() == 0, command.said
    # Both had come to their ends while nobody heard of it.
    assert "started" not in command.said
    found = audited(scene, "away", total=2, served=tmp_path / "served")
    assert found.is_clean, f"{found}\n{command.said}"
    assert runs_in_order(tmp_path / "served" / "mlflow.db") == 2


def test_databases_that_somebody_else_has_locked(scene: Scene) -> None:
    command = Command.start(scene, "locked", "trials=4", *LONG_TRIALS)
    command.wait_for("t000 tick 5/", "t001 started")
    with locked(scene.folder / "mlruns" / "mlflow.db"):
        time.sleep(30)
    with locked(scene.folder / "mlruns" / "optuna.db"):
        time.sleep(10)
    assert command.end() == 0, command.said
    found = audited(scene, "locked", total=4)
    assert found.is_clean, f"{found}\n{command.said}"
    assert runs_in_order(scene.folder / "mlruns" / "mlflow.db") == 4


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Let nobody else write to ``database``, or read it where that needs a lock."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("begin exclusive")
        yield
        connection.execute("rollback")


def wait_until_there(server: MlflowServer) -> None:
    """Wait until a server that was started answers; it leaves the environment as it was."""
    with pytest.MonkeyPatch.context() as patch:
        server.opened(patch)


def audited(scene: Scene, name: str, *, total: int, served: Path | None = None) -> Audit:
    """What became of a sweep, under the limits that the scene's sweep file sets."""
    return audit(scene.folder, name, total=total, keep=2, disk_limit=5_000_000, served=served)


def runs_in_order(database: Path) -> int:
    """How many runs have a curve; each of them came to the database in the order of its steps."""
    curves: dict[str, list[int]] = {}
    with closing(sqlite3.connect(database)) as connection:
        query = "select run_uuid, step from metrics where key = 'val/accuracy' order by rowid"
        for run, step in connection.execute(query):
            curves.setdefault(run, []).append(step)
    assert [steps for steps in curves.values() if steps != sorted(steps)] == []
    return len(curves)
