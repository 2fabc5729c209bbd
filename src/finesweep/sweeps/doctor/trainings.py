"""Runs of ``finesweep train`` that are RUNNING though their process is gone.

Nobody holds a lock for a training. It is taken for alive as long as a process has its outbox open;
and a run without an outbox as long as any training, or worker, could be its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from finesweep.errors import FinesweepError, TrackingError
from finesweep.sweeps.deliveries import OUTBOX_FILE
from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.doctor.outboxes import TRAINING, looked_into
from finesweep.sweeps.doctor.runs import end_dead
from finesweep.sweeps.doctor.situation import Situation
from finesweep.sweeps.doctor.workers import workers
from finesweep.sweeps.record import DEAD
from finesweep.tracking import TrackingStore
from finesweep.tracking.mlflow_access import translated

COMMAND = "finesweep train"
REASON = DEAD.replace("the sweep", "the training")

_SOURCE_TAG = "mlflow.source.name"
_MOST = 1000


def look(situation: Situation) -> Iterator[Finding]:
    """One finding a run."""
    if situation.tracking is None:
        return
    for run_id in left_running(situation, situation.tracking):
        yield Finding(
            kind="runs",
            level="problem",
            subject=run_id,
            what=f"the training {run_id} is RUNNING in MLflow, but its process is gone",
            advice="--repair ends it; a training is not continued, start it again",
            repairable=True,
        )


def repair(situation: Situation) -> Iterator[Finding]:
    """End the runs; yields what went wrong."""
    if situation.tracking is None:
        return
    try:
        for run_id in left_running(situation, situation.tracking):
            end_dead(situation.tracking, run_id, reason=REASON)
    except FinesweepError as exc:
        yield Finding(kind="runs", level="problem", subject="trainings", what=str(exc))


def folders(situation: Situation) -> list[Path]:
    """The folders of trainings that no process has in use."""
    found = situation.place.work.glob("train-*/*")
    return sorted(
        folder
        for folder in found
        if TRAINING.fullmatch(folder.name) and not situation.is_in_use(folder)
    )


def left_running(situation: Situation, tracking: TrackingStore) -> list[str]:
    """The runs that are RUNNING without a process.

    Raises:
        TrackingError: the store cannot be read.
    """
    running = _running(tracking)
    if not running:
        return []
    if tracking.root is not None and not _any_could_be_alive(situation):
        return running
    dead: set[str] = set()
    for folder in folders(situation):
        # A damaged outbox is told of as such.
        with suppress(TrackingError, FileNotFoundError), looked_into(folder / OUTBOX_FILE) as box:
            waiting = box.waiting_runs()
            dead |= {run_id for run_id in running if run_id in waiting or box.last_step(run_id)}
    return sorted(dead)


def _any_could_be_alive(situation: Situation) -> bool:
    """Whether there is a training in this place, or a worker that is of no sweep of it."""
    if any(TRAINING.fullmatch(file.parent.name) for file in situation.in_use):
        return True
    coordinators = {holder.pid for holder in situation.running.values()}
    return any(coordinator not in coordinators for _, coordinator in workers())


def _running(tracking: TrackingStore) -> list[str]:
    with translated(f"list the trainings of {tracking.address}"):
        experiments = tracking.client.search_experiments(max_results=_MOST)
        found = tracking.client.search_runs(
            [experiment.experiment_id for experiment in experiments],
            filter_string=f"attributes.status = 'RUNNING' and tags.`{_SOURCE_TAG}` = '{COMMAND}'",
            max_results=_MOST,
        )
    return [str(run.info.run_id) for run in found]
