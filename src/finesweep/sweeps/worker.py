"""What runs inside a worker process: a trainer, kept alive from task to task.

Started by an engine as ``python -m finesweep.sweeps.worker FD PARENT``, where ``FD`` is the file
descriptor of a duplex pipe to the coordinator and ``PARENT`` the coordinator's process id. The
first message is an ``Opening``; from then on the worker receives tasks and sends events, and
between a ``Ticked`` and its answer it stands still. It ends when the pipe is closed, and, wherever
it is, soon after the coordinator's process is gone.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeAlias

from finesweep.errors import DivergedError
from finesweep.sweeps.engines._base import (
    Assignment,
    Evaluated,
    Evaluation,
    Failed,
    Finished,
    Task,
    Ticked,
)
from finesweep.training.progress import Answer, Tick, Trainer, TrainingSetup

PARENT_CHECK_SECONDS = 0.5

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


def main(argv: list[str]) -> None:
    """Serve the coordinator at the other end of the pipe until it hangs up."""
    descriptor, parent = int(argv[0]), int(argv[1])
    # Ctrl-C reaches every process of a terminal; the coordinator decides what becomes of a trial.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A process that the trainer starts must not hold the pipe open after this one has died.
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        serve(Connection(descriptor))
    except (EOFError, OSError):
        pass  # The coordinator hung up, or died: nobody is left to tell.
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
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
        traceback.print_exc()
        _fail_every_task(pipe, error)
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
        traceback.print_exc()
        pipe.send(_failed(task, error))


class _HungUpError(EOFError):
    """The pipe broke in the middle of a task; not an error of the trainer."""


def _run(task: Task, trainer: Trainer, pipe: Pipe) -> Finished | Evaluated:
    if isinstance(task, Evaluation):
        metrics = trainer.evaluate(task.checkpoint, max_length=task.max_length, split=task.split)
        return Evaluated(trial=task.trial, metrics=metrics)
    return _fine_tune(task, trainer, pipe)


def _fine_tune(assignment: Assignment, trainer: Trainer, pipe: Pipe) -> Finished:
    def ask(tick: Tick) -> Answer:
        try:
            pipe.send(Ticked(trial=assignment.trial, tick=tick))
            answer: Answer = pipe.recv()
        except (EOFError, OSError) as exc:
            raise _HungUpError from exc
        return answer

    result = trainer.fine_tune(assignment.hyperparameters, output=assignment.output, on_tick=ask)
    return Finished(trial=assignment.trial, result=result)


def _fail_every_task(pipe: Pipe, error: Exception) -> NoReturn:
    """Tell each task that there is no trainer; the coordinator soon gives up."""
    while True:
        pipe.send(_failed(pipe.recv(), error))


def _failed(task: Task, error: Exception) -> Failed:
    return Failed(
        trial=task.trial,
        kind=type(error).__name__,
        reason=" ".join(str(error).split()) or type(error).__name__,
        traceback="".join(traceback.format_exception(error)),
        diverged=isinstance(error, DivergedError),
    )


def _end_with(parent: int) -> None:
    """End this process, training or not, once its parent is no longer the coordinator."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    # Under `-m` this file is `__main__`; the messages must be those of the imported module.
    from finesweep.sweeps import worker

    worker.main(sys.argv[1:])
