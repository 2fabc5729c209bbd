"""One fine-tuning outside any study: an engine, one run in MLflow, no sweep around it."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from finesweep import registry
from finesweep.config import ExperimentConfig, to_yaml
from finesweep.data import PreparedData
from finesweep.errors import DivergedError, FinesweepError, InterruptedSweep, WorkerDiedError
from finesweep.registry.packaging import CHECKPOINT_FOLDER
from finesweep.sweeps.engines._base import (
    Assignment,
    Died,
    Engine,
    Evaluated,
    Evaluation,
    Failed,
    Finished,
    Ticked,
)
from finesweep.sweeps.observer import SweepObserver
from finesweep.sweeps.result import TrialSummary
from finesweep.sweeps.space import complete
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
    folder = workdir / uuid.uuid4().hex[:12] / f"trial-{ONLY:03d}"
    with contextlib.closing(engine):
        engine.start()
        run = TrialRun.start(
            store,
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
            run.end("KILLED", reason="interrupted by the user")
            raise InterruptedSweep("interrupted; the run is marked KILLED") from exc
        except BaseException as exc:
            run.end("FAILED", reason=str(exc))
            raise
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)
        run.end("FINISHED")
    return SingleResult(
        name=config.name,
        run_id=run.run_id,
        experiment_id=run.experiment_id,
        hyperparameters=values,
        metrics=metrics,
        seconds=seconds,
    )


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
        self.engine.submit(Assignment(trial=ONLY, hyperparameters=values, output=output))
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
                state="complete",
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
                    case Ticked():
                        self.run.log_tick(event.tick)
                        self.observer.ticked(ONLY, event.tick, total_ticks)
                        self.engine.answer(ONLY, "continue")
                    case Finished():
                        return event
                    case Failed() | Died():
                        raise _error(event)

    def _measured(self, checkpoint: Path, values: Hyperparameters) -> dict[str, float]:
        self.engine.submit(
            Evaluation(
                trial=ONLY, checkpoint=checkpoint, max_length=values.max_length, split="test"
            )
        )
        while True:
            for event in self.engine.wait():
                match event:
                    case Evaluated():
                        self.run.log_metrics(event.metrics)
                        return dict(event.metrics)
                    case Failed() | Died():
                        raise _error(event)


def _error(event: Failed | Died) -> FinesweepError:
    if isinstance(event, Died):
        return WorkerDiedError(event.detail)
    if event.diverged:
        return DivergedError(event.reason)
    return FinesweepError(f"the fine-tuning failed with {event.kind}: {event.reason}")
