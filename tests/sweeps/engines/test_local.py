from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from sweep_bench import SCRIPTED

from finesweep.sweeps.engines._base import Assignment, Died, Engine, Failed, Finished, Ticked
from finesweep.sweeps.engines._process import describe_exit
from finesweep.sweeps.engines.local import (
    LocalEngine,
    core_shares,
    thread_environment,
    usable_cores,
)
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import TrainingSetup

POINT = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=1, max_length=32)

COORDINATE = """
import sys
from pathlib import Path
from finesweep.sweeps.engines._base import Assignment
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import TrainingSetup

folder = Path(sys.argv[1])
setup = TrainingSetup(checkpoint=folder, prepared=folder, label_names=("a", "b"))
engine = LocalEngine(setup, trainer="scripted_trainer:ScriptedTrainer", logs=folder / "logs")
point = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=1, max_length=32)
engine.submit(Assignment(trial=0, hyperparameters=point, output=folder / "trial-000" / "c"))
(tick,) = engine.wait(30)
engine.answer(0, sys.argv[2])
print(engine._workers[0].pid, flush=True)
events = engine.wait(60)
print(type(events[0]).__name__, flush=True)
engine.close()
"""


def setup_in(folder: Path, **script: str) -> TrainingSetup:
    acts = {key.removeprefix("t"): act for key, act in script.items()}
    (folder / "script.json").write_text(json.dumps(acts))
    return TrainingSetup(checkpoint=folder, prepared=folder, label_names=("a", "b"))


def submit(engine: Engine, folder: Path, trial: int = 0) -> None:
    output = folder / f"trial-{trial:03d}" / "checkpoint"
    engine.submit(Assignment(trial=trial, hyperparameters=POINT, output=output))


def coordinator(folder: Path, answer: str, *interpreter: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *interpreter, str(folder), answer],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def gone(pid: int, *, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("act", ["hang", "stubborn"])
def test_a_worker_ends_when_its_coordinator_is_killed(act: str, tmp_path: Path) -> None:
    setup_in(tmp_path, t0=act)
    process = coordinator(tmp_path, "continue", "-c", COORDINATE)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    assert psutil.pid_exists(worker)
    process.kill()
    process.wait()
    assert gone(worker, within=5)


def test_a_script_without_a_main_guard_can_run_an_engine(tmp_path: Path) -> None:
    setup_in(tmp_path)
    script = tmp_path / "unguarded.py"
    script.write_text(COORDINATE)
    process = coordinator(tmp_path, "stop", str(script))
    output, _ = process.communicate(timeout=60)
    assert output.splitlines()[1] == "Finished"


def test_ctrl_c_does_not_reach_a_worker(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        submit(engine, tmp_path)
        engine.wait(20)
        (worker,) = psutil.Process().children()
        worker.send_signal(signal.SIGINT)
        assert os.getpgid(worker.pid) != os.getpgid(0)
        engine.answer(0, "stop")
        (end,) = engine.wait(20)
        assert isinstance(end, Finished)
    finally:
        engine.close()


def test_a_dead_worker_takes_its_children_with_it(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path, t0="child"), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        submit(engine, tmp_path)
        engine.wait(20)
        engine.answer(0, "continue")
        (died,) = engine.wait(20)
        assert isinstance(died, Died)
        (line,) = [line for line in died.detail.splitlines() if line.startswith("child ")]
        assert gone(int(line.split()[1]), within=3)
    finally:
        engine.close()


def test_one_process_serves_trial_after_trial(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        seen = set()
        for trial in range(3):
            submit(engine, tmp_path, trial)
            seen.add(tuple(child.pid for child in psutil.Process().children()))
            (tick,) = engine.wait(20)
            assert isinstance(tick, Ticked)
            engine.answer(trial, "stop")
            engine.wait(20)
        assert len(seen) == 1
    finally:
        engine.close()


def test_a_worker_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        for trial in range(2):
            submit(engine, tmp_path, trial)
            engine.wait(20)
            engine.answer(trial, "stop")
            (end,) = engine.wait(20)
            assert isinstance(end, Finished)
            (worker,) = psutil.Process().children()
            worker.kill()
            time.sleep(0.1)
    finally:
        engine.close()


def test_what_a_worker_prints_is_in_its_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs", threads=5)
    submit(engine, tmp_path)
    engine.wait(20)
    engine.close()
    log = (tmp_path / "logs" / "worker-0.log").read_text()
    assert "trial 0: trains, OMP_NUM_THREADS=5" in log
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("trainer", "kind", "reason"),
    [
        ("no_such_module:Trainer", "ModuleNotFoundError", "No module named 'no_such_module'"),
        ("scripted_trainer:Nobody", "AttributeError", "no attribute 'Nobody'"),
    ],
)
def test_a_trainer_that_is_not_there(trainer: str, kind: str, reason: str, tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path), trainer=trainer, logs=tmp_path / "logs")
    try:
        submit(engine, tmp_path)
        (failed,) = engine.wait(20)
        assert isinstance(failed, Failed)
        assert failed.kind == kind
        assert reason in failed.reason
    finally:
        engine.close()


def test_submit_needs_a_free_worker(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        submit(engine, tmp_path)
        with pytest.raises(RuntimeError, match="every worker is busy"):
            submit(engine, tmp_path, 1)
    finally:
        engine.close()
    with pytest.raises(ValueError, match="received 0"):
        LocalEngine(setup_in(tmp_path), workers=0)


def test_threads_that_the_user_set_win(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    assert thread_environment(2) == {"OMP_NUM_THREADS": "2", "TF_NUM_INTEROP_THREADS": "1"}
    assert set(usable_cores()) == os.sched_getaffinity(0)


@pytest.mark.parametrize(
    ("cores", "workers", "shares"),
    [
        ((0, 1), 1, [()]),
        ((0, 1), 2, [(0,), (1,)]),
        ((2, 3, 5, 7, 8), 2, [(2, 3), (5, 7)]),
        ((4,), 2, [(), ()]),
    ],
)
def test_workers_share_the_cores(
    cores: tuple[int, ...], workers: int, shares: list[tuple[int, ...]]
) -> None:
    assert core_shares(cores, workers) == shares


@pytest.mark.skipif(len(usable_cores()) < 2, reason="one core cannot be shared")
def test_two_workers_are_pinned_apart(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    engine = LocalEngine(setup, trainer=SCRIPTED, workers=2, logs=tmp_path / "logs")
    try:
        for trial in (0, 1):
            submit(engine, tmp_path, trial)
        ticked: set[int] = set()
        while len(ticked) < 2:
            ticked.update(event.trial for event in engine.wait(20))
        children = psutil.Process().children()
        workers = [child for child in children if "finesweep.sweeps.worker" in child.cmdline()]
        pinned = [set(worker.cpu_affinity()) for worker in workers]
        assert len(pinned) == 2
        assert not pinned[0] & pinned[1]
    finally:
        engine.close()


def test_exit_codes_in_words() -> None:
    assert describe_exit(-11) == "killed by SIGSEGV"
    assert describe_exit(-99) == "killed by signal 99"
    assert describe_exit(2) == "exit code 2"
