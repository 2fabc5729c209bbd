"""A sweep from beginning to end: the lock, the study, the run above the trials, and the result."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import optuna

from finesweep.config import SweepConfig, to_yaml
from finesweep.data import PreparedData
from finesweep.errors import InterruptedSweep
from finesweep.sweeps.coordinator import Coordinator
from finesweep.sweeps.ending import reap
from finesweep.sweeps.engines._base import Engine
from finesweep.sweeps.lock import coordinator_lock
from finesweep.sweeps.observer import SweepObserver
from finesweep.sweeps.progress import trials_done, trials_left
from finesweep.sweeps.pruners import build_pruner
from finesweep.sweeps.result import SweepResult
from finesweep.sweeps.selection import Selector, is_selected
from finesweep.sweeps.showing import result_of
from finesweep.sweeps.storage import translated
from finesweep.sweeps.study import (
    EXPERIMENT_ID,
    NOT_ENDED,
    STOPPED_BY,
    SWEEP_RUN_ID,
    adopt_configuration,
    enqueue_first,
    enqueue_retries,
    open_study,
    zombies,
)
from finesweep.tracking import RunStatus, SweepRun, TrackingStore
from finesweep.training.progress import TrainingSetup


def run_sweep(
    config: SweepConfig,
    *,
    setup: TrainingSetup,
    data: PreparedData,
    store: TrackingStore,
    study_url: str,
    engine: Engine,
    observer: SweepObserver,
    workdir: Path,
) -> SweepResult:
    """Run a sweep, or go on with the one of this name, up to its total of trials.

    A sweep that has come to its end is shown and not touched. The engine is closed in any case.
    ``workdir`` holds what trials write before it is in their MLflow runs.

    Raises:
        StudyError: the study cannot be opened, is held by another process, or was started with
            another configuration.
        SweepFailedError: the same error ended several trials in a row, or no trial completed.
        InterruptedSweep: Ctrl-C; the same command goes on with the sweep.
    """
    with (
        contextlib.closing(engine),
        translated(study_url),
        coordinator_lock(study_url, config.name, workdir=workdir),
    ):
        study = open_study(
            study_url,
            config.name,
            direction=config.experiment.direction,
            pruner=build_pruner(config),
        )
        adopt_configuration(study, config, dataset=data.identity)
        enqueue_first(study, config)
        if _has_come_to_its_end(study, config):
            return _show(study, config, observer=observer)
        sweep_run = _sweep_run(study, config, setup=setup, data=data, store=store)
        sweep = _Sweep(
            study=study,
            config=config,
            sweep_run=sweep_run,
            store=store,
            engine=engine,
            observer=observer,
            workdir=workdir,
        )
        return sweep.run(has_test_split=data.n_test > 0)


@dataclass(frozen=True, kw_only=True)
class _Sweep:
    """The parts of a sweep that is being run, and how it ends."""

    study: optuna.Study
    config: SweepConfig
    sweep_run: SweepRun
    store: TrackingStore
    engine: Engine
    observer: SweepObserver
    workdir: Path

    def run(self, *, has_test_split: bool) -> SweepResult:
        coordinator = Coordinator(
            self.study,
            self.config,
            sweep_run=self.sweep_run,
            engine=self.engine,
            observer=self.observer,
            workdir=self.workdir,
        )
        try:
            self._take_up()
            stopped_by = coordinator.run()
            self._select(has_test_split=has_test_split)
        except KeyboardInterrupt as exc:
            self._break_off(coordinator, "KILLED", reason="stopped by the user")
            raise InterruptedSweep(
                f"the sweep '{self.config.name}' was interrupted; the same command goes on with it"
            ) from exc
        except BaseException as exc:
            self._break_off(coordinator, "FAILED", reason=f"the sweep failed: {exc}")
            raise
        self.study.set_user_attr(STOPPED_BY, stopped_by)
        self.sweep_run.end("FINISHED", reason=stopped_by)
        result = result_of(self.study)
        self.observer.sweep_ended(result)
        return result

    def _take_up(self) -> None:
        """Put in order what an earlier call left, and tell the observer where the sweep stands."""
        self.study.set_user_attr(STOPPED_BY, NOT_ENDED)
        reap(self.study, self.sweep_run, store=self.store)
        enqueue_retries(self.study)
        trials = self.study.get_trials(deepcopy=False)
        self.observer.sweep_started(self.config.trials, trials_done(trials))
        if trials_left(trials, self.config):
            self.engine.start()

    def _select(self, *, has_test_split: bool) -> None:
        selector = Selector(
            self.study,
            self.config,
            store=self.store,
            sweep_run=self.sweep_run,
            engine=self.engine,
            workdir=self.workdir,
        )
        selector.select(has_test_split=has_test_split)

    def _break_off(self, coordinator: Coordinator, status: RunStatus, *, reason: str) -> None:
        """End what runs, as far as that is possible; what is not, the next call reaps.

        Never raises: why the sweep ended early is what the user must see.
        """
        with contextlib.suppress(Exception):
            self.study.set_user_attr(STOPPED_BY, reason)
            coordinator.abandon(reason)
            # A trial that was only just asked for is not known to the coordinator.
            reap(self.study, self.sweep_run, store=self.store)
            self.sweep_run.end(status, reason=reason)


def _has_come_to_its_end(study: optuna.Study, config: SweepConfig) -> bool:
    left = trials_left(study.get_trials(deepcopy=False), config)
    return not left and not zombies(study) and is_selected(study, config)


def _show(study: optuna.Study, config: SweepConfig, *, observer: SweepObserver) -> SweepResult:
    """Let the observer see a sweep that was finished by an earlier call."""
    result = result_of(study)
    observer.sweep_started(config.trials, trials_done(study.get_trials(deepcopy=False)))
    observer.sweep_ended(result)
    return result


def _sweep_run(
    study: optuna.Study,
    config: SweepConfig,
    *,
    setup: TrainingSetup,
    data: PreparedData,
    store: TrackingStore,
) -> SweepRun:
    """The MLflow run above the trials': a new study's is begun, a continued one's reopened."""
    run_id = study.user_attrs.get(SWEEP_RUN_ID)
    if run_id is not None:
        return SweepRun.resume(store, run_id)
    sweep_run = SweepRun.start(
        store,
        experiment=config.experiment.name,
        name=config.name,
        config_yaml=to_yaml(config),
        params=_params(config, setup=setup, data=data),
        dataset=data.identity,
    )
    study.set_user_attr(SWEEP_RUN_ID, sweep_run.run_id)
    study.set_user_attr(EXPERIMENT_ID, sweep_run.experiment_id)
    return sweep_run


def _params(
    config: SweepConfig, *, setup: TrainingSetup, data: PreparedData
) -> dict[str, str | int | float]:
    """What tells one sweep from another in a table of runs."""
    return {
        "checkpoint": config.experiment.model.checkpoint,
        "precision": setup.precision,
        "metric": config.experiment.metric,
        "sampler": config.sampler.name,
        "sampler_seed": config.sampler.seed,
        "pruner": config.pruner.name,
        "labels": len(setup.label_names),
        "train_rows": data.n_train,
        "validation_rows": data.n_validation,
        "test_rows": data.n_test,
    }
