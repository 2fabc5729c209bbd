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
    Assignment,
    Died,
    Engine,
    Evaluated,
    Evaluation,
    Event,
    Failed,
    Finished,
    Ticked,
)
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Answer, TrainingSetup

Factory = Callable[[TrainingSetup, int], Engine]


def local(setup: TrainingSetup, workers: int) -> Engine:
    return LocalEngine(setup, trainer=SCRIPTED, workers=workers, logs=setup.prepared / "logs")


ENGINES: list[Factory] = [local]
POINT = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=1, max_length=32)


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


def assignment(tmp_path: Path, trial: int, epochs: int = 1) -> Assignment:
    point = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=epochs, max_length=32)
    output = tmp_path / f"trial-{trial:03d}" / "checkpoint"
    return Assignment(trial=trial, hyperparameters=point, output=output)


def follow(engine: Engine, ends: int, answer: Answer = "continue") -> list[Event]:
    """Every event until so many tasks have ended; ticks are answered."""
    events: list[Event] = []
    while sum(not isinstance(event, Ticked) for event in events) < ends:
        for event in engine.wait(20):
            events.append(event)
            if isinstance(event, Ticked):
                engine.answer(event.trial, answer)
        assert events, "the engine said nothing"
    return events


def test_a_trial_ticks_and_finishes(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start()
    assert engine.idle_slots == 1
    engine.submit(assignment(tmp_path, 0))
    assert engine.idle_slots == 0
    *ticks, end = follow(engine, 1)
    assert [event.tick.number for event in ticks if isinstance(event, Ticked)] == [1, 2, 3, 4]
    assert isinstance(end, Finished)
    assert end.result.checkpoint == tmp_path / "trial-000" / "checkpoint"
    assert (tmp_path / "trial-000" / "checkpoint" / "config.json").is_file()
    assert engine.idle_slots == 1


def test_submit_does_not_wait_for_the_worker(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(t0="hang")
    engine.start()
    started = time.monotonic()
    engine.submit(assignment(tmp_path, 0))
    assert time.monotonic() - started < 0.2
    assert engine.wait(0.0) == []


def test_a_stopped_trial_ends_at_that_tick(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start()
    engine.submit(assignment(tmp_path, 0, epochs=4))
    tick, end = follow(engine, 1, answer="stop")
    assert isinstance(tick, Ticked)
    assert isinstance(end, Finished)
    assert (end.result.stopped, end.result.ticks, end.result.checkpoint) == (True, 1, None)


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
    assert not failed.diverged
    assert isinstance(diverged, Failed)
    assert diverged.diverged
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
    assert time.monotonic() - ticked < 15
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
    (tick,) = engine.wait(20)
    assert isinstance(tick, Ticked)
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


def test_several_workers_run_side_by_side(start: Callable[..., Engine], tmp_path: Path) -> None:
    engine = start(workers=2, t1="die")
    engine.submit(assignment(tmp_path, 0))
    engine.submit(assignment(tmp_path, 1))
    assert engine.idle_slots == 0
    events = follow(engine, 2)
    first = [event for event in events if event.trial == 0]
    assert [event.tick.number for event in first if isinstance(event, Ticked)] == [1, 2, 3, 4]
    assert isinstance(first[-1], Finished)
    assert isinstance([event for event in events if event.trial == 1][-1], Died)


@pytest.mark.parametrize("state", ["idle", "loading", "waiting", "busy", "stubborn"])
def test_nothing_is_left_after_close(
    state: str, start: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = start(t0="stubborn" if state == "stubborn" else "hang")
    engine.start()
    if state == "idle":
        engine.submit(assignment(tmp_path, 1))
        follow(engine, 1)
    elif state != "loading":
        engine.submit(assignment(tmp_path, 0))
        (tick,) = engine.wait(20)
        if state != "waiting":
            engine.answer(tick.trial, "continue")
            time.sleep(0.1)
    children = psutil.Process().children(recursive=True)
    assert children
    started = time.monotonic()
    engine.close()
    assert time.monotonic() - started < 3
    assert not any(child.is_running() for child in children)
    engine.close()
