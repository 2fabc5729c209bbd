"""One fine-tuning outside any study: an engine, one run in MLflow, no sweep around it."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from finesweep import registry
from finesweep.config import ExperimentConfig, to_yaml
from finesweep.data import PreparedData
from finesweep.errors import (
    DiskFullError,
    DivergedError,
    FinesweepError,
    InterruptedSweep,
    OutOfMemoryError,
    UserError,
    WorkerDiedError,
)
from finesweep.registry.packaging import CHECKPOINT_FOLDER
from finesweep.sweeps.deliveries import OUTBOX_FILE, delivering, nothing_waits
from finesweep.sweeps.engines._base import (
    Assignment,
    Died,
    Engine,
    Evaluation,
    Failed,
    Finished,
    Ticked,
    WorkerReady,
)
from finesweep.sweeps.measuring import measure
from finesweep.sweeps.observer import SweepObserver
from finesweep.sweeps.result import Ending, TrialSummary
from finesweep.sweeps.retention import TRIAL_FOLDER
from finesweep.sweeps.space import complete
from finesweep.sweeps.starting import RESUME_POINT
from finesweep.tracking import TrackingStore, TrialRun
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import TICKS_PER_EPOCH

ONLY = 0
"""The number of the one trial."""


@dataclass(frozen=True, kw_only=True)
class SingleResult:
    """A finished fine-tuning; ``metrics`` are the last tick's and those of the test split."""

    name: str
    run_id: str
    experiment_id: str
    hyperparameters: Hyperparameters
    metrics: dict[str, float]
    seconds: float


def run_single(
    config: ExperimentConfig,
    *,
    data: PreparedData,
    store: TrackingStore,
    engine: Engine,
    observer: SweepObserver,
    workdir: Path,
) -> SingleResult:
    """Fine-tune once with the experiment's own hyperparameters; the engine is closed in any case.

    Raises:
        DivergedError, FinesweepError: the fine-tuning failed; its run is FAILED with the reason.
        WorkerDiedError: the worker process ended without a word.
        InterruptedSweep: Ctrl-C; the run is KILLED.
    """
    values = complete({}, experiment=config)
    # Its own, so that two trainings of one experiment may run side by side.
    folder = workdir / uuid.uuid4().hex[:12] / f"{TRIAL_FOLDER}{ONLY:03d}"
    with (
        contextlib.closing(engine),
        _removed_unless_something_waits(folder.parent),
        delivering(store, folder.parent) as outbox,
    ):
        engine.start()
        run = TrialRun.start(
            store,
            outbox,
            experiment=config.name,
            name=f"train-{config.name}",
            hyperparameters=values,
            dataset=data.identity,
            config_yaml=to_yaml(config),
        )
        single = _Single(run=run, engine=engine, observer=observer, folder=folder)
        try:
            metrics, seconds = single.fine_tune(values, has_test_split=data.n_test > 0)
        except KeyboardInterrupt as exc:
            run.end("KILLED", ending="interrupted", reason="interrupted by the user")
            raise InterruptedSweep("interrupted; the run is marked KILLED") from exc
        except BaseException as exc:
            run.end("FAILED", ending=_ending(exc), reason=str(exc))
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        run.end("FINISHED", ending="completed")
    return SingleResult(
        name=config.name,
        run_id=run.run_id,
        experiment_id=run.experiment_id,
        hyperparameters=values,
        metrics=metrics,
        seconds=seconds,
    )


@contextlib.contextmanager
def _removed_unless_something_waits(folder: Path) -> Iterator[None]:
    """Remove the training's folder at the end, if its outbox is empty."""
    try:
        yield
    finally:
        if nothing_waits(folder / OUTBOX_FILE):
            shutil.rmtree(folder, ignore_errors=True)


def _ending(error: BaseException) -> Ending:
    if isinstance(error, DivergedError):
        return "diverged"
    return "out_of_memory" if isinstance(error, OutOfMemoryError) else "failed"


@dataclass(frozen=True, kw_only=True)
class _Single:
    """The parts of one fine-tuning that is under way."""

    run: TrialRun
    engine: Engine
    observer: SweepObserver
    folder: Path

    def fine_tune(
        self, values: Hyperparameters, *, has_test_split: bool
    ) -> tuple[dict[str, float], float]:
        self.observer.sweep_started(1, 0)
        self.observer.trial_started(ONLY, values, self.run.run_id)
        output = self.folder / "checkpoint"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.engine.submit(
            Assignment(
                trial=ONLY,
                hyperparameters=values,
                output=output,
                resume_point=self.folder / RESUME_POINT,
            )
        )
        finished = self._finished(total_ticks=values.epochs * TICKS_PER_EPOCH)
        metrics = dict(finished.result.metrics)
        packaged = registry.package(output, self.folder / "model", max_length=values.max_length)
        self.run.set_tags({"finesweep.precision": finished.result.precision})
        try:
            if has_test_split:
                metrics.update(self._measured(packaged / CHECKPOINT_FOLDER, values))
        finally:
            # The model is trained, whatever becomes of its measurement.
            self.run.log_model(packaged)
        self.observer.trial_ended(
            TrialSummary(
                number=ONLY,
                state="completed",
                hyperparameters=values,
                metrics=metrics,
                seconds=finished.result.seconds,
                reason=None,
                run_id=self.run.run_id,
            )
        )
        return metrics, finished.result.seconds

    def _finished(self, *, total_ticks: int) -> Finished:
        while True:
            for event in self.engine.wait():
                match event:
                    case WorkerReady():
                        self.observer.worker_ready(event)
                    case Ticked():
                        self.run.log_tick(event.tick)
                        self.observer.ticked(ONLY, event.tick, total_ticks)
                        self.engine.answer(ONLY, "continue")
                    case Finished():
                        return event
                    case Failed() | Died():
                        raise _error(event)

    def _measured(self, checkpoint: Path, values: Hyperparameters) -> dict[str, float]:
        measured = measure(
            self.engine,
            Evaluation(
                trial=ONLY, checkpoint=checkpoint, max_length=values.max_length, split="test"
            ),
        )
        if not isinstance(measured, dict):
            raise _error(measured)
        self.run.log_metrics(measured)
        return measured


def _error(event: Failed | Died) -> FinesweepError:
    if isinstance(event, Died):
        return WorkerDiedError(event.detail)
    match event.cause:
        case "diverged":
            return DivergedError(event.reason)
        case "out_of_memory":
            return OutOfMemoryError(event.reason)
        case "disk_full":
            return DiskFullError(f"no space is left on the disk ({event.reason})")
        case "set_up":
            return UserError(event.reason)
        case "failed":
            return FinesweepError(f"the fine-tuning failed with {event.kind}: {event.reason}")
