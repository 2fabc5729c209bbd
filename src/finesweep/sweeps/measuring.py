"""Has a worker measure a checkpoint on a split."""

from __future__ import annotations

from finesweep.sweeps.engines._base import Died, Engine, Evaluated, Evaluation, Failed

MOST_ATTEMPTS = 3


def measure(engine: Engine, evaluation: Evaluation) -> dict[str, float] | Failed | Died:
    """The metrics, or why there are none.

    A worker that the machine takes away is replaced and the checkpoint measured again, some times.
    """
    attempt = 0
    while True:
        attempt += 1
        engine.submit(evaluation)
        end = _end_of(evaluation.trial, engine)
        if isinstance(end, Evaluated):
            return dict(end.metrics)
        if isinstance(end, Failed) or end.cause != "preempted" or attempt == MOST_ATTEMPTS:
            return end


def _end_of(trial: int, engine: Engine) -> Evaluated | Failed | Died:
    while True:
        for event in engine.wait(1.0):
            if isinstance(event, Evaluated | Failed | Died) and event.trial == trial:
                return event
