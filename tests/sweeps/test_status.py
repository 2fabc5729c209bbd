from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sweep_bench import Bench, RecordingObserver

from finesweep.errors import InterruptedSweep
from finesweep.sweeps.status import SweepStatus, sweep_statuses
from finesweep.sweeps.stopping import StopRequest


def test_a_sweep_that_runs_is_shown_with_its_workers(bench: Bench) -> None:
    seen: list[SweepStatus] = []

    def look(number: int, tick: int) -> None:
        if (number, tick) == (1, 6):
            # What the coordinator shows is at most one look old.
            seen.extend(sweep_statuses(bench.study_url, work=bench.folder))

    result = bench.run(bench.config(trials=2, name=bench.name), RecordingObserver(on_tick=look))
    (status,) = seen
    assert (status.name, status.state) == (bench.name, "running")
    assert (status.done, status.total, status.parked) == (1, 2, 0)
    assert status.process is not None
    assert f"process {os.getpid()} on " in status.process
    assert status.seen is not None
    assert 0 <= status.seen < 60
    (worker,) = status.workers
    assert (worker.slot, worker.trial, worker.ticks) == (0, 1, 8)
    assert worker.tick == 5
    assert 0 <= worker.age < 60
    (ended,) = sweep_statuses(bench.study_url, work=bench.folder)
    assert (ended.state, ended.stopped_by) == ("ended", result.stopped_by)
    assert ended.workers == ()


def test_a_parked_trial_is_counted(bench: Bench) -> None:
    stop = StopRequest()

    def ask(number: int, tick: int) -> None:
        if (number, tick) == (1, 3):
            stop.ask("interrupted", "stopped by the user")

    with pytest.raises(InterruptedSweep):
        bench.run(bench.config(trials=3), RecordingObserver(on_tick=ask), stop=stop)
    (status,) = sweep_statuses(bench.study_url, work=bench.folder)
    assert (status.state, status.done, status.parked) == ("ended", 1, 1)
    assert status.stopped_by == "stopped by the user"


KILLED = """
import os, signal, sys
from pathlib import Path
from sweep_bench import Bench, RecordingObserver
from finesweep.tracking import TrackingStore
folder, root, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
bench = Bench(folder=folder, store=TrackingStore.open(root=root), name=name)
bench.run(
    bench.config(trials=2),
    RecordingObserver(on_tick=lambda number, tick: os.kill(os.getpid(), signal.SIGKILL)),
)
"""


def test_a_sweep_whose_process_was_killed_is_shown_as_died(bench: Bench) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(bench.folder), str(bench.store.root), bench.name],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    (status,) = sweep_statuses(bench.study_url, work=bench.folder)
    assert (status.state, status.workers) == ("died", ())
    assert status.seen is not None
    bench.run(bench.config(trials=2))
    (status,) = sweep_statuses(bench.study_url, work=bench.folder)
    assert (status.state, status.done) == ("ended", 2)


def test_looking_disturbs_nobody(bench: Bench, tmp_path: Path) -> None:
    bench.run(bench.config(trials=1))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.db")}
    time.sleep(0.01)
    sweep_statuses(bench.study_url, work=bench.folder)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.db")} == before
