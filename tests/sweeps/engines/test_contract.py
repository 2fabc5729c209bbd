"""What every engine guarantees; a new engine joins by adding its factory to ``ENGINES``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sweep_bench import SCRIPTED

from finesweep.sweeps.engines._base import (
    Asked,
    Assignment,
    Died,
    Drawn,
    Engine,
    Evaluated,
    Evaluation,
    Event,
    Failed,
    Finished,
    Noted,
    Refused,
    Ticked,
    WorkerReady,
)
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Answer, TrainingSetup

TaskEvent = Ticked | Asked | Noted | Finished | Evaluated | Failed | Died
Heard = Asked | Noted | Failed
Factory = Callable[[TrainingSetup, int], Engine]


def local(setup: TrainingSetup, workers: int) -> Engine:
    return LocalEngine(setup, trainer=SCRIPTED, workers=workers, logs=setup.prepared / "logs")


ENGINES: list[Factory] = [local]


@pytest.fixture(params=ENGINES, ids=lambda factory: factory.__name__)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def _start(workers: int = 1, **script: Any) -> Engine:
        acts = {key.removeprefix("t"): act for key, act in script.items()}
        (tmp_path / "script.json").write_text(json.dumps(acts))
        setup = TrainingSetup(checkpoint=tmp_path, prepared=tmp_path, label_names=("a", "b"))
        made.append(request.param(setup, workers))
        return made[-1]

    yield _start
    for engine in made:
        engine.close()


def assignment(tmp_path: Path, trial: int, epochs: int = 1, accumulation: int = 1) -> Assignment:
    point = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=epochs, max_length=32)
    folder = tmp_path / f"trial-{trial:03d}"
    return Assignment(
        trial=trial,
        hyperparameters=point,
        output=folder / "checkpoint",
        resume_point=folder / "resume.json",
        accumulation=accumulation,
    )


def follow(engine: Engine, ends: int, answer: Answer = "continue") -> list[TaskEvent]:
    """Every event of a task until so many have ended; ticks are answered."""
    events: list[TaskEvent] = []
    while sum(not isinstance(event, Ticked) for event in events) < ends:
        heard = engine.wait(20)
        assert heard, "the engine said nothing"
        for event in heard:
            if isinstance(event, WorkerReady):
                continue
            events.append(event)
            if isinstance(event, Ticked):
                engine.answer(event.trial, answer)
    return events


def ticks(events: list[TaskEvent], trial: int = 0) -> list[int]:
    return [
        event.tick.number for event in events if isinstance(event, Ticked) and event.trial == trial
    ]


def next_tick(engine: Engine) -> Ticked:
    """The next tick of any trial, which is not answered."""
    while True:
        for event in engine.wait(20):
            if isinstance(event, Ticked):
                return event
            assert isinstance(event, WorkerReady)


def ready(engine: Engine, count: int = 1) -> list[WorkerReady]:
    """Wait until so many workers have loaded."""
    events: list[Event] = []
    while len(events) < count:
        heard = engine.wait(20)
        assert heard, "no worker loaded"
        events += heard
    return [event for event in events if isinstance(event, WorkerReady)]


def test_a_trial_ticks_and_finishes(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start()
    assert engine.idle_slots == 1
    engine.submit(assignment(tmp_path, 0))
    assert engine.idle_slots == 0
    events = follow(engine, 1)
    assert ticks(events) == [1, 2, 3, 4]
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.result.checkpoint == tmp_path / "trial-000" / "checkpoint"
    assert (tmp_path / "trial-000" / "checkpoint" / "config.json").is_file()
    assert engine.idle_slots == 1


def heard(engine: Engine) -> Heard:
    """The next thing a trial says before its first tick."""
    while True:
        for event in engine.wait(20):
            if not isinstance(event, WorkerReady):
                assert isinstance(event, Heard)
                return event


def test_a_trial_that_draws_waits_for_its_values(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(draws=["a", "b"])
    engine.submit(assignment(tmp_path, 0))
    asked = heard(engine)
    assert isinstance(asked, Asked)
    assert asked.method == "suggest_int"
    expected = {"name": "units [kind=a]", "low": 1, "high": 10**6, "step": 1, "log": False}
    assert asked.arguments == expected
    assert engine.idle_slots == 0
    assert engine.wait(0.1) == []
    engine.answer(0, Drawn(value=7))
    assert heard(engine) == Asked(
        trial=0, method="suggest_categorical", arguments={"name": "kind", "choices": ["a", "b"]}
    )
    engine.answer(0, Drawn(value="b"))
    noted = heard(engine)
    assert noted == Noted(trial=0, values={"units": 7, "kind": "b", "batch_size": 99})
    assert engine.idle_slots == 0
    assert ticks(follow(engine, 1)) == [1, 2, 3, 4]


def test_a_draw_that_is_refused_fails_the_trial(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(draws=["a", "b"])
    engine.submit(assignment(tmp_path, 0))
    assert isinstance(heard(engine), Asked)
    engine.answer(0, Refused(reason="units are known otherwise"))
    failed = heard(engine)
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.reason) == ("DrawingError", "units are known otherwise")
    assert engine.idle_slots == 1


def test_submit_does_not_wait_for_the_worker(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(t0="hang", seconds_to_load=30)
    engine.start()
    started = time.monotonic()
    engine.submit(assignment(tmp_path, 0))
    assert time.monotonic() - started < 10
    assert engine.wait(0.0) == []


def test_a_stopped_trial_ends_at_that_tick(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start()
    engine.submit(assignment(tmp_path, 0, epochs=4))
    tick, end = follow(engine, 1, answer="stop")
    assert isinstance(tick, Ticked)
    assert isinstance(end, Finished)
    assert (end.result.stopped, end.result.ticks, end.result.checkpoint) == (True, 1, None)


def test_a_parked_trial_goes_on_where_it_was(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start()
    engine.submit(assignment(tmp_path, 0, epochs=2))
    assert next_tick(engine).tick.number == 1
    engine.answer(0, "continue")
    assert next_tick(engine).tick.number == 2
    engine.answer(0, "park")
    (parked,) = follow(engine, 1)
    assert isinstance(parked, Finished)
    assert (parked.result.stopped, parked.result.ticks) == (True, 2)
    engine.submit(assignment(tmp_path, 0, epochs=2))
    events = follow(engine, 1)
    assert ticks(events) == [3, 4, 5, 6, 7, 8]
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.result.checkpoint is not None


def test_a_killed_trial_goes_on_from_the_end_of_its_last_epoch(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(t0="die once at 7")
    engine.submit(assignment(tmp_path, 0, epochs=3))
    events = follow(engine, 1)
    assert isinstance(events[-1], Died)
    assert ticks(events) == [1, 2, 3, 4, 5, 6]
    engine.submit(assignment(tmp_path, 0, epochs=3))
    assert ticks(follow(engine, 1)) == [5, 6, 7, 8, 9, 10, 11, 12]


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        ("raise", "failed"),
        ("diverge", "diverged"),
        ("oom", "out_of_memory"),
        ("memory error", "out_of_memory"),
        ("disk full", "disk_full"),
    ],
)
def test_what_is_to_blame_for_a_failure(
    act: str, cause: str, start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(t0=act)
    engine.submit(assignment(tmp_path, 0))
    failed = follow(engine, 1)[-1]
    assert isinstance(failed, Failed)
    assert failed.cause == cause


def test_a_batch_in_parts_is_the_trainers_to_compute(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(t0="oom")
    engine.submit(assignment(tmp_path, 0, accumulation=2))
    assert isinstance(follow(engine, 1)[-1], Finished)


@pytest.mark.parametrize(
    ("act", "cause"),
    [("die", "preempted"), ("terminate", "preempted"), ("segv", "crashed"), ("exit", "crashed")],
)
def test_what_is_to_blame_for_a_death(
    act: str, cause: str, start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(t0=act)
    engine.submit(assignment(tmp_path, 0))
    died = follow(engine, 1)[-1]
    assert isinstance(died, Died)
    assert died.cause == cause


def test_an_error_ends_the_trial_and_not_the_worker(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(t0="raise", t1="diverge")
    ends = []
    for trial in range(3):
        engine.submit(assignment(tmp_path, trial))
        ends.append(follow(engine, 1)[-1])
    failed, diverged, finished = ends
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.reason) == ("RuntimeError", "the trainer is broken at batch 17")
    assert 'raise RuntimeError("the trainer is broken' in failed.traceback
    assert failed.cause == "failed"
    assert isinstance(diverged, Failed)
    assert diverged.cause == "diverged"
    assert isinstance(finished, Finished)


@pytest.mark.parametrize(("act", "code", "words"), [("die", -9, "SIGKILL"), ("exit", 3, "code 3")])
def test_a_dead_worker_is_seen_at_once_and_replaced(
    act: str, code: int, words: str, start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(t0=act)
    engine.submit(assignment(tmp_path, 0))
    ticked = time.monotonic()
    died = follow(engine, 1)[-1]
    assert isinstance(died, Died)
    assert died.exit_code == code
    assert words in died.detail
    assert "trial 0" in died.detail  # the last lines of the worker's log
    assert time.monotonic() - ticked < 60
    assert engine.idle_slots == 1
    engine.submit(assignment(tmp_path, 1))
    assert isinstance(follow(engine, 1)[-1], Finished)


def test_a_trainer_that_cannot_be_built_fails_every_task(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(setup="broken")
    for trial in range(2):
        engine.submit(assignment(tmp_path, trial))
        (failed,) = follow(engine, 1)
        assert isinstance(failed, Failed)
        assert (failed.trial, failed.kind) == (trial, "ValueError")
        assert failed.reason == "the setup is broken"


def test_a_cancelled_trial_says_nothing_more(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(t0="hang")
    engine.submit(assignment(tmp_path, 0))
    next_tick(engine)
    engine.cancel(0)
    assert engine.idle_slots == 1
    assert engine.wait(0.1) == []
    engine.submit(assignment(tmp_path, 1))
    assert {event.trial for event in follow(engine, 1)} == {1}


def test_an_evaluation_is_a_task_too(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start()
    engine.submit(assignment(tmp_path, 0))
    end = follow(engine, 1)[-1]
    assert isinstance(end, Finished)
    assert end.result.checkpoint is not None
    engine.submit(
        Evaluation(trial=0, checkpoint=end.result.checkpoint, max_length=32, split="test")
    )
    (evaluated,) = follow(engine, 1)
    assert evaluated == Evaluated(trial=0, metrics={"test/accuracy": 0.75, "test/max_length": 32.0})


def test_an_evaluation_that_raises(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(evaluate="raise")
    engine.submit(Evaluation(trial=4, checkpoint=tmp_path, max_length=32, split="test"))
    (failed,) = follow(engine, 1)
    assert isinstance(failed, Failed)
    assert failed.reason == "cannot evaluate"
    assert engine.idle_slots == 1


def test_several_workers_run_side_by_side(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(workers=2, t1="die")
    engine.start()
    ready(engine, 2)
    assert engine.idle_slots == engine.size == 2
    engine.submit(assignment(tmp_path, 0))
    engine.submit(assignment(tmp_path, 1))
    assert engine.idle_slots == 0
    assert {worker.trial for worker in engine.workers} == {0, 1}
    events = follow(engine, 2)
    first = [event for event in events if event.trial == 0]
    assert ticks(first) == [1, 2, 3, 4]
    assert isinstance(first[-1], Finished)
    assert isinstance([event for event in events if event.trial == 1][-1], Died)


def test_workers_load_one_after_another(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(workers=3, seconds_to_load=0.3)
    assert (engine.idle_slots, engine.workers) == (1, [])
    engine.start()
    for loaded in range(1, 4):
        assert [worker.slot for worker in engine.workers] == list(range(loaded))
        assert engine.idle_slots == loaded  # the one that loads can have its task already
        (event,) = ready(engine)
        assert event.slot == loaded - 1
        assert event.pid == engine.workers[-1].pid
        assert event.replaces is None
        engine.wait(0)
    assert engine.wait(0.05) == []


def test_a_loading_worker_takes_its_task(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(workers=2, seconds_to_load=0.2)
    engine.start()
    engine.submit(assignment(tmp_path, 0))
    assert engine.idle_slots == 0
    assert isinstance(ready(engine)[0], WorkerReady)
    next_tick(engine)
    assert [worker.trial for worker in engine.workers] == [0, None]


def test_without_a_start_workers_load_as_needed(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(workers=2)
    engine.submit(assignment(tmp_path, 0))
    assert engine.idle_slots == 0
    next_tick(engine)
    assert len(engine.workers) == 1
    assert engine.idle_slots == 1
    engine.submit(assignment(tmp_path, 1))
    assert next_tick(engine).trial == 1


def test_waiting_ends_in_time(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(t0="hang")
    assert engine.wait() == []  # nothing can come
    engine.start()
    ready(engine)
    assert engine.wait() == []
    engine.submit(assignment(tmp_path, 0))
    next_tick(engine)
    started = time.monotonic()
    assert engine.wait(0.2) == []
    assert 0.15 < time.monotonic() - started < 10


def test_a_worker_that_died_idle_is_replaced_unasked(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start()
    engine.start()
    (first,) = ready(engine)
    psutil.Process(first.pid).kill()
    (second,) = ready(engine)
    assert second.pid != first.pid
    assert second.replaces == "it ended (killed by SIGKILL)"


@pytest.mark.parametrize(
    "state", ["idle", "loading", "waiting", "busy", "stubborn", "frozen", "frozen idle"]
)
def test_nothing_is_left_after_close(
    state: str, start: Callable[..., Engine], tmp_path: Path
) -> None:
    act = {"stubborn": "stubborn", "frozen": "freeze"}.get(state, "hang")
    engine = start(workers=2, t0=act)
    engine.start()
    if state in ("idle", "frozen idle"):
        engine.submit(assignment(tmp_path, 1))
        follow(engine, 1)
    elif state != "loading":
        engine.submit(assignment(tmp_path, 0))
        next_tick(engine)
        if state != "waiting":
            engine.answer(0, "continue")
            time.sleep(0.1)
    children = [psutil.Process(worker.pid) for worker in engine.workers]
    assert children
    if state == "frozen idle":
        for child in children:
            child.suspend()
    started = time.monotonic()
    engine.close()
    assert time.monotonic() - started < 15
    assert not any(child.is_running() for child in children)
    engine.close()
