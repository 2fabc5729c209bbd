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
from sweep_bench import SCRIPTED, worker_processes

from finesweep.sweeps.engines._base import (
    Assignment,
    Died,
    Engine,
    Event,
    Failed,
    Finished,
    Ticked,
    WorkerReady,
)
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.sweeps.machine import usable_cores
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Answer, TrainingSetup

PATIENCE_SECONDS = 30.0
POINT = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=1, max_length=32)

COORDINATE = """
import sys
from pathlib import Path
from finesweep.sweeps.engines._base import Assignment, Ticked
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import TrainingSetup

folder = Path(sys.argv[1])
setup = TrainingSetup(checkpoint=folder, prepared=folder, label_names=("a", "b"))
engine = LocalEngine(setup, trainer="scripted_trainer:ScriptedTrainer", logs=folder / "logs")
point = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=1, max_length=32)
trial = folder / "trial-000"
engine.submit(
    Assignment(
        trial=0, hyperparameters=point, output=trial / "c", resume_point=trial / "resume.json"
    )
)
print(engine.workers[0].pid, flush=True)
while not any(isinstance(event, Ticked) for event in engine.wait(60)):
    pass
engine.answer(0, sys.argv[2])
print("answered", flush=True)
events = engine.wait(60)
print(type(events[0]).__name__, flush=True)
engine.close()
"""


def setup_in(folder: Path, **script: str) -> TrainingSetup:
    acts = {key.removeprefix("t"): act for key, act in script.items()}
    (folder / "script.json").write_text(json.dumps(acts))
    return TrainingSetup(checkpoint=folder, prepared=folder, label_names=("a", "b"))


def submit(engine: Engine, folder: Path, trial: int = 0) -> None:
    own = folder / f"trial-{trial:03d}"
    engine.submit(
        Assignment(
            trial=trial,
            hyperparameters=POINT,
            output=own / "checkpoint",
            resume_point=own / "resume.json",
        )
    )


def next_event(engine: Engine) -> Event:
    """The next event that is not of a worker getting ready."""
    while True:
        events = [event for event in engine.wait(20) if not isinstance(event, WorkerReady)]
        if events:
            (event,) = events
            return event


def next_ready(engine: Engine) -> WorkerReady:
    while True:
        heard = engine.wait(20)
        assert heard, "no worker loaded"
        for event in heard:
            if isinstance(event, WorkerReady):
                return event


def tick_and_answer(engine: Engine, trial: int = 0, answer: Answer = "continue") -> None:
    assert isinstance(next_event(engine), Ticked)
    engine.answer(trial, answer)


def coordinator(folder: Path, answer: str, *interpreter: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *interpreter, str(folder), answer],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def gone(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def becomes(status: str, pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if psutil.Process(pid).status() == status:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("act", ["hang", "stubborn", "freeze"])
def test_a_worker_ends_when_its_coordinator_is_killed(act: str, tmp_path: Path) -> None:
    setup_in(tmp_path, t0=act)
    process = coordinator(tmp_path, "continue", "-c", COORDINATE)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    assert process.stdout.readline() == "answered\n"
    if act == "freeze":
        assert becomes(psutil.STATUS_STOPPED, worker)
    assert psutil.pid_exists(worker)
    process.kill()
    process.wait()
    assert gone(worker)


def test_a_worker_that_loads_ends_when_its_coordinator_is_killed(tmp_path: Path) -> None:
    setup_in(tmp_path, setup="hang")
    process = coordinator(tmp_path, "continue", "-c", COORDINATE)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.kill()  # perhaps before the worker could ask the kernel to end with it
    process.wait()
    assert gone(worker)


def test_a_worker_whose_parent_is_gone_does_not_begin() -> None:
    begin = "from finesweep.sweeps.engines._lifeline import end_with; end_with(1); print('alive')"
    ran = subprocess.run(
        [sys.executable, "-c", begin],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "")


def test_a_script_without_a_main_guard_can_run_an_engine(tmp_path: Path) -> None:
    setup_in(tmp_path)
    script = tmp_path / "unguarded.py"
    script.write_text(COORDINATE)
    process = coordinator(tmp_path, "stop", str(script))
    output, _ = process.communicate(timeout=60)
    assert output.splitlines()[2] == "Finished"


def test_ctrl_c_does_not_reach_a_worker(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        submit(engine, tmp_path)
        next_event(engine)
        (worker,) = worker_processes()
        worker.send_signal(signal.SIGINT)
        assert os.getpgid(worker.pid) != os.getpgid(0)
        engine.answer(0, "stop")
        assert isinstance(next_event(engine), Finished)
    finally:
        engine.close()


def test_a_dead_worker_takes_its_children_with_it(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path, t0="child"), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        submit(engine, tmp_path)
        tick_and_answer(engine)
        died = next_event(engine)
        assert isinstance(died, Died)
        (line,) = [line for line in died.detail.splitlines() if line.startswith("child ")]
        assert gone(int(line.split()[1]))
    finally:
        engine.close()


def test_one_process_serves_trial_after_trial(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        seen = set()
        for trial in range(3):
            submit(engine, tmp_path, trial)
            # Not before its tick: a process that has just been started has no command line yet.
            tick_and_answer(engine, trial, "stop")
            (worker,) = worker_processes()
            seen.add(worker.pid)
            next_event(engine)
        assert len(seen) == 1
    finally:
        engine.close()


def test_a_worker_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        for trial in range(2):
            submit(engine, tmp_path, trial)
            tick_and_answer(engine, trial, "stop")
            assert isinstance(next_event(engine), Finished)
            (worker,) = worker_processes()
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
    next_event(engine)
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
        failed = next_event(engine)
        assert isinstance(failed, Failed)
        assert failed.cause == "failed"
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


@pytest.mark.skipif(len(usable_cores()) < 2, reason="one core cannot be shared")
def test_two_workers_are_pinned_apart(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    engine = LocalEngine(setup, trainer=SCRIPTED, workers=2, logs=tmp_path / "logs")
    try:
        engine.start()
        for _ in range(2):
            next_ready(engine)
        pinned = [set(psutil.Process(worker.pid).cpu_affinity()) for worker in engine.workers]
        assert len(pinned) == 2
        assert not pinned[0] & pinned[1]
        assert [set(worker.cores) for worker in engine.workers] == pinned
    finally:
        engine.close()


def test_a_worker_above_its_memory_limit_is_replaced_between_tasks(tmp_path: Path) -> None:
    engine = LocalEngine(
        setup_in(tmp_path, t0="grow"),
        trainer=SCRIPTED,
        logs=tmp_path / "logs",
        memory_limit=200_000_000,
    )
    try:
        engine.start()
        first = next_ready(engine)
        for trial, answers in ((0, 4), (1, 4)):
            submit(engine, tmp_path, trial)
            for _ in range(answers):
                tick_and_answer(engine, trial)
            assert isinstance(next_event(engine), Finished)
            assert engine.idle_slots == 1
            if trial == 0:
                second = next_ready(engine)
                assert second.pid != first.pid
                assert second.replaces is not None
                assert second.replaces.startswith("its memory, 3")
                assert second.replaces.endswith(" MB, was above the limit of 200 MB")
        assert [worker.pid for worker in engine.workers] == [second.pid]
    finally:
        engine.close()


def test_a_worker_that_dies_while_it_loads_is_started_again_after_a_pause(tmp_path: Path) -> None:
    engine = LocalEngine(
        setup_in(tmp_path, setup="die 2 times"), trainer=SCRIPTED, logs=tmp_path / "logs"
    )
    try:
        started = time.monotonic()
        engine.start()
        ready = next_ready(engine)
        assert time.monotonic() - started > 3  # seconds: one, then two
        assert ready.replaces == "it ended (killed by SIGKILL) while it loaded"
        log = (tmp_path / "logs" / "worker-0.log").read_text()
        assert "it ended (killed by SIGKILL) while it loaded; the next starts in 1 s" in log
        assert "it ended (killed by SIGKILL) while it loaded; the next starts in 2 s" in log
    finally:
        engine.close()


def test_a_task_waits_for_the_end_of_the_pause(tmp_path: Path) -> None:
    engine = LocalEngine(
        setup_in(tmp_path, setup="die once"), trainer=SCRIPTED, logs=tmp_path / "logs"
    )
    try:
        submit(engine, tmp_path)
        died = next_event(engine)
        assert isinstance(died, Died)
        assert (died.cause, engine.idle_slots, engine.workers) == ("preempted", 1, [])
        submit(engine, tmp_path)
        assert (engine.idle_slots, engine.workers) == (0, [])
        tick_and_answer(engine, answer="stop")
        assert isinstance(next_event(engine), Finished)
    finally:
        engine.close()


def test_a_task_that_waits_can_be_cancelled(tmp_path: Path) -> None:
    engine = LocalEngine(
        setup_in(tmp_path, setup="die once"), trainer=SCRIPTED, logs=tmp_path / "logs"
    )
    try:
        submit(engine, tmp_path)
        assert isinstance(next_event(engine), Died)
        submit(engine, tmp_path)
        engine.cancel(0)
        assert engine.idle_slots == 1
        assert engine.wait() == []
    finally:
        engine.close()


def test_a_death_is_seen_though_a_child_holds_the_pipe(tmp_path: Path) -> None:
    engine = LocalEngine(setup_in(tmp_path, t0="fork"), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        submit(engine, tmp_path)
        tick_and_answer(engine)
        assert isinstance(next_event(engine), Died)
    finally:
        engine.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
@pytest.mark.parametrize("script", [{"t0": "raise"}, {"setup": "broken"}])
def test_a_worker_whose_log_has_no_room_tells_why_it_failed(
    script: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker-0.log").symlink_to("/dev/full")
    engine = LocalEngine(setup_in(tmp_path, **script), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        for _ in range(2):
            submit(engine, tmp_path)
            failed = next_event(engine)
            assert isinstance(failed, Failed)
            # What the scripted trainer cannot do either is to write into the log.
            assert failed.cause == ("failed" if "setup" in script else "disk_full")
    finally:
        engine.close()


def test_each_worker_sees_a_gpu_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    monkeypatch.setattr("finesweep.sweeps.gpus.cuda_is_there", lambda: True)
    lines = "\n".join(f"GPU {n}: NVIDIA H100 80GB HBM3 (UUID: GPU-{n}{n})" for n in (0, 1))
    tool.write_text(f"#!/bin/sh\ncat <<END\n{lines}\nEND\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, workers=3, logs=tmp_path / "logs")
    try:
        engine.start()
        for _ in range(3):
            next_ready(engine)
        assert [worker.gpu for worker in engine.workers] == ["GPU-00", "GPU-11", "GPU-00"]
        seen = [psutil.Process(worker.pid).environ() for worker in engine.workers]
        assert [each["CUDA_VISIBLE_DEVICES"] for each in seen] == ["GPU-00", "GPU-11", "GPU-00"]
        assert {each["TF_FORCE_GPU_ALLOW_GROWTH"] for each in seen} == {"true"}
    finally:
        engine.close()


def test_without_gpus_nothing_is_said_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    engine = LocalEngine(setup_in(tmp_path), trainer=SCRIPTED, logs=tmp_path / "logs")
    try:
        engine.start()
        ready = next_ready(engine)
        assert engine.workers[0].gpu is None
        assert "CUDA_VISIBLE_DEVICES" not in psutil.Process(ready.pid).environ()
    finally:
        engine.close()
