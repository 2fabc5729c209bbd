"""What runs inside a worker process: a trainer, kept alive from task to task.

Started by an engine as ``python -m finesweep.sweeps.worker FD PARENT``, where ``FD`` is the file
descriptor of a duplex pipe to the coordinator and ``PARENT`` the coordinator's process id. The
first message is an ``Opening``, which the worker answers with ``Loaded`` when its trainer is built;
from then on it receives tasks and sends events, and between a ``Ticked`` and its answer it stands
still. A trainer that draws hyperparameters of its own asks for each in the same way. It ends when
the pipe is closed, and, wherever it is, soon after the coordinator's process is gone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeAlias

from finesweep.sweeps.asking import PipeDraws
from finesweep.sweeps.engines._base import (
    Asked,
    Assignment,
    Evaluated,
    Evaluation,
    Failed,
    Finished,
    Noted,
    Task,
    Ticked,
)
from finesweep.sweeps.engines._causes import failure_cause, set_up_cause
from finesweep.sweeps.engines._lifeline import end_with
from finesweep.training.drawing import DrawingTrainer
from finesweep.training.progress import Answer, Tick, Trainer, TrainingSetup

Pipe: TypeAlias = "Connection[Any, Any]"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """The first message to a worker.

    ``trainer`` is a dotted path, ``package.module:Class``. ``cores`` are those the worker keeps to;
    empty for all there are.
    """

    trainer: str
    setup: TrainingSetup
    cores: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The first message from a worker. A ``broken`` one has no trainer and fails every task."""

    broken: bool = False


def main(argv: list[str]) -> None:
    """Serve the coordinator at the other end of the pipe until it hangs up."""
    descriptor, parent = int(argv[0]), int(argv[1])
    # Ctrl-C reaches every process of a terminal; the coordinator decides what becomes of a trial.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A process that the trainer starts must not hold the pipe open after this one has died.
    os.set_inheritable(descriptor, False)
    end_with(parent)
    # That the coordinator hung up, or died, needs no word: nobody is left to tell.
    with contextlib.suppress(EOFError, OSError):
        serve(Connection(descriptor))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    # Not sys.exit: TensorFlow's own clean-up at exit takes seconds and there is nothing to save.
    os._exit(0)


def serve(pipe: Pipe) -> None:
    """Build the trainer, then perform one task after another.

    Raises:
        EOFError, OSError: the other end of the pipe is gone.
    """
    opening = pipe.recv()
    if opening.cores:
        # Before TensorFlow loads: it counts its cores once, and its threads inherit them.
        os.sched_setaffinity(0, opening.cores)
    try:
        trainer = build_trainer(opening)
    except Exception as error:
        _print_traceback()
        pipe.send(Loaded(broken=True))
        _fail_every_task(pipe, error)
    pipe.send(Loaded())
    while True:
        perform(pipe.recv(), trainer, pipe)


def build_trainer(opening: Opening) -> Trainer:
    """Import the trainer's class and build it from the setup; this is where TensorFlow loads."""
    module, _, name = opening.trainer.partition(":")
    trainer_class: Callable[[TrainingSetup], Trainer] = getattr(
        importlib.import_module(module), name
    )
    return trainer_class(opening.setup)


def perform(task: Task, trainer: Trainer, pipe: Pipe) -> None:
    """Run one task and send the event that ends it, whatever the trainer does."""
    try:
        pipe.send(_run(task, trainer, pipe))
    except _HungUpError:
        raise
    except Exception as error:
        _print_traceback()
        pipe.send(_failed(task, error))


class _HungUpError(EOFError):
    """The pipe broke in the middle of a task; not an error of the trainer."""


def _run(task: Task, trainer: Trainer, pipe: Pipe) -> Finished | Evaluated:
    if isinstance(task, Evaluation):
        metrics = trainer.evaluate(task.checkpoint, max_length=task.max_length, split=task.split)
        return Evaluated(trial=task.trial, metrics=metrics)
    return _fine_tune(task, trainer, pipe)


def _fine_tune(assignment: Assignment, trainer: Trainer, pipe: Pipe) -> Finished:
    def tell(event: Asked | Noted | Ticked) -> None:
        try:
            pipe.send(event)
        except OSError as exc:
            raise _HungUpError from exc

    def ask(event: Asked | Ticked) -> Any:
        tell(event)
        try:
            return pipe.recv()
        except (EOFError, OSError) as exc:
            raise _HungUpError from exc

    def on_tick(tick: Tick) -> Answer:
        answer: Answer = ask(Ticked(trial=assignment.trial, tick=tick))
        return answer

    if isinstance(trainer, DrawingTrainer):
        trainer.draw_from(PipeDraws(assignment.trial, ask=ask, tell=tell))
    result = trainer.fine_tune(
        assignment.hyperparameters,
        output=assignment.output,
        on_tick=on_tick,
        resume_point=assignment.resume_point,
        accumulation=assignment.accumulation,
    )
    return Finished(trial=assignment.trial, result=result)


def _fail_every_task(pipe: Pipe, error: Exception) -> NoReturn:
    """Tell each task that there is no trainer; the coordinator soon gives up."""
    while True:
        pipe.send(replace(_failed(pipe.recv(), error), cause=set_up_cause(error)))


def _failed(task: Task, error: Exception) -> Failed:
    return Failed(
        trial=task.trial,
        kind=type(error).__name__,
        reason=" ".join(str(error).split()) or type(error).__name__,
        traceback="".join(traceback.format_exception(error)),
        cause=failure_cause(error),
    )


def _print_traceback() -> None:
    """For the log; on a full disk there is none, and the event tells the same."""
    with contextlib.suppress(OSError):
        traceback.print_exc()


if __name__ == "__main__":
    # Under `-m` this file is `__main__`; the messages must be those of the imported module.
    from finesweep.sweeps import worker

    worker.main(sys.argv[1:])
