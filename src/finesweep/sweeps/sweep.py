"""A sweep from beginning to end: the lock, the study, the run above the trials, and the result."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import optuna

from finesweep.config import SweepConfig
from finesweep.data import PreparedData
from finesweep.errors import InterruptedSweep
from finesweep.sweeps.coordinator import Coordinator
from finesweep.sweeps.deliveries import (
    BREAK_OFF_PATIENCE_SECONDS,
    OUTBOX_FILE,
    deliver,
    nothing_waits,
    what_is_left,
)
from finesweep.sweeps.disk import DiskPlan, check_disk, full_disk_told
from finesweep.sweeps.engines._base import Engine
from finesweep.sweeps.garbage import imports_not_searched
from finesweep.sweeps.lock import Hold, coordinator_lock
from finesweep.sweeps.news import StoreNews
from finesweep.sweeps.observer import SweepObserver
from finesweep.sweeps.parent_run import parent_run
from finesweep.sweeps.progress import trials_done, trials_left
from finesweep.sweeps.pruners import build_pruner
from finesweep.sweeps.reconcile import Mismatch, find_mismatches, mend
from finesweep.sweeps.result import Ending, SweepResult
from finesweep.sweeps.retention import Retention
from finesweep.sweeps.selection import Selector, is_selected
from finesweep.sweeps.showing import result_of
from finesweep.sweeps.stopping import StopRequest
from finesweep.sweeps.storage import translated
from finesweep.sweeps.store_watch import patiently
from finesweep.sweeps.study import (
    ENDED,
    NOT_ENDED,
    STOPPED_BY,
    adopt_configuration,
    enqueue_first,
    left_running,
    open_study,
)
from finesweep.sweeps.take_up import take_up
from finesweep.sweeps.trial_runs import TrialRuns
from finesweep.sweeps.warm_start.keeping import keep
from finesweep.sweeps.warm_start.reading import is_due, read_sources
from finesweep.tracking import Delivery, Outbox, RunStatus, SweepRun, TrackingStore
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
    stop: StopRequest | None = None,
) -> SweepResult:
    """Run a sweep, or go on with the one of this name, up to its total of trials.

    A sweep that has come to its end is shown and not touched. The engine is closed in any case.
    ``workdir`` holds what trials write before it is in their MLflow runs. Whoever asks ``stop``
    ends the sweep at the next tick of each running trial; a KeyboardInterrupt ends it at once.

    Raises:
        StudyError: the study cannot be opened, is held by another process, or was started with
            another configuration; or the disk has no room for what is planned.
        SweepFailedError: the same error ended several trials in a row, or no trial completed.
        DiskFullError: no space is left.
        TrackingError: the tracking store cannot be reached, or went away and did not come back.
        InterruptedSweep: the user, or the machine, stopped it; the same command goes on with it.
    """
    with (
        contextlib.closing(engine),
        full_disk_told(),
        translated(study_url),
        coordinator_lock(study_url, config.name, workdir=workdir) as hold,
    ):
        earlier = None
        if is_due(config, study_url=study_url):
            # Before the study is made: a mistake in a source leaves nothing behind.
            earlier = read_sources(
                config, study_url=study_url, digest=data.identity.digest, tracking=lambda: store
            )
        study = open_study(
            study_url,
            config.name,
            direction=config.experiment.direction,
            pruner=build_pruner(config),
        )
        adopt_configuration(study, config, dataset=data.identity)
        if earlier is not None:
            keep(study, earlier)
            observer.warm_started(earlier.reports)
        enqueue_first(study, config)
        outbox_file = workdir / OUTBOX_FILE
        if _has_come_to_its_end(study, config) and nothing_waits(outbox_file):
            return _show(study, config, observer=observer)
        check_disk(
            DiskPlan.of(config, checkpoint=setup.checkpoint, workers=engine.size),
            config,
            artifacts=store.artifact_root,
            workdir=workdir,
            held=Retention(study, config, workdir=workdir).held(),
        )
        with Outbox.open(outbox_file) as outbox, Delivery(outbox, store) as delivery:
            sweep_run = parent_run(
                study, config, setup=setup, data=data, store=store, outbox=outbox
            )
            sweep = _Sweep(
                study=study,
                config=config,
                sweep_run=sweep_run,
                runs=TrialRuns(sweep_run, outbox),
                outbox=outbox,
                delivery=delivery,
                store=store,
                engine=engine,
                observer=observer,
                news=StoreNews(delivery, observer),
                stop=stop or StopRequest(),
                hold=hold,
                workdir=workdir,
            )
            return sweep.run(has_test_split=data.n_test > 0)


@dataclass(frozen=True, kw_only=True)
class _Sweep:
    """The parts of a sweep that is being run, and how it ends."""

    study: optuna.Study
    config: SweepConfig
    sweep_run: SweepRun
    runs: TrialRuns
    outbox: Outbox
    delivery: Delivery
    store: TrackingStore
    engine: Engine
    observer: SweepObserver
    news: StoreNews
    stop: StopRequest
    hold: Hold
    workdir: Path

    def run(self, *, has_test_split: bool) -> SweepResult:
        coordinator = Coordinator(
            self.study,
            self.config,
            runs=self.runs,
            delivery=self.delivery,
            news=self.news,
            engine=self.engine,
            observer=self.observer,
            stop=self.stop,
            hold=self.hold,
            workdir=self.workdir,
        )
        try:
            stopped_by = self._run_trials(coordinator)
            self._settle()
            self._select(has_test_split=has_test_split)
        except KeyboardInterrupt as exc:
            reason = self.stop.reason or "stopped by the user"
            left = self._break_off(coordinator, "KILLED", reason=reason)
            raise InterruptedSweep(
                f"the sweep '{self.config.name}' was interrupted; the same command goes on with it"
                + left
            ) from exc
        except BaseException as exc:
            self._break_off(coordinator, "FAILED", reason=f"the sweep failed: {exc}")
            raise
        self.sweep_run.end("FINISHED", ending="completed", reason=stopped_by, outbox=self.outbox)
        self.study.set_user_attr(STOPPED_BY, stopped_by)
        # Last: a process that is killed before this ends the sweep's run once more.
        self.study.set_user_attr(ENDED, True)
        self._deliver()
        result = result_of(self.study)
        self.observer.sweep_ended(result)
        return result

    def _run_trials(self, coordinator: Coordinator) -> str:
        self._take_up()
        with self.stop.heeded(), imports_not_searched():
            stopped_by = coordinator.run()
        if self.stop.is_asked:
            raise KeyboardInterrupt
        return stopped_by

    def _take_up(self) -> None:
        """Put in order what an earlier call left, and tell the observer where the sweep stands."""
        self.study.set_user_attr(ENDED, False)
        self.study.set_user_attr(STOPPED_BY, NOT_ENDED)
        take_up(self.study, self.config, runs=self.runs, workdir=self.workdir)
        trials = self.study.get_trials(deepcopy=False)
        self.observer.sweep_started(self.config.trials, trials_done(trials))
        if trials_left(trials, self.config):
            self.engine.start()

    def _settle(self) -> None:
        """Wait until MLflow has everything, and see to it that it says what the study says."""
        self._deliver()
        if patiently(self._mend, patience=self.config.tracking_timeout, news=self.news):
            self._deliver()

    def _mend(self) -> list[Mismatch]:
        mismatches = find_mismatches(self.study, self.sweep_run.trial_runs())
        return mend(self.study, mismatches, sweep_run=self.sweep_run, runs=self.runs)

    def _deliver(self) -> None:
        deliver(self.delivery, patience=self.config.tracking_timeout, look_around=self.news.tell)

    def _select(self, *, has_test_split: bool) -> None:
        selector = Selector(
            self.study,
            self.config,
            store=self.store,
            sweep_run=self.sweep_run,
            runs=self.runs,
            engine=self.engine,
            news=self.news,
            workdir=self.workdir,
        )
        selector.select(has_test_split=has_test_split)
        self._deliver()

    def _break_off(self, coordinator: Coordinator, status: RunStatus, *, reason: str) -> str:
        """End what runs, as far as that is possible; what is not, the next call takes up.

        Never raises: why the sweep ended early is what the user must see. Returns what is to be
        added to that.
        """
        left = ""
        with contextlib.suppress(Exception):
            coordinator.abandon(reason)
        with contextlib.suppress(Exception):
            self.study.set_user_attr(STOPPED_BY, reason)
            # A trial that was only just asked for is not known to the coordinator.
            take_up(self.study, self.config, runs=self.runs, workdir=self.workdir, ask_store=False)
        with contextlib.suppress(Exception):
            ending: Ending = "failed" if status == "FAILED" else self.stop.ending or "interrupted"
            self.sweep_run.end(status, ending=ending, reason=reason, outbox=self.outbox)
            away = self.delivery.state.away_since is not None
            if not self.delivery.flush(0.0 if away else BREAK_OFF_PATIENCE_SECONDS):
                left = f". {what_is_left(self.delivery.state)}"
        return left


def _has_come_to_its_end(study: optuna.Study, config: SweepConfig) -> bool:
    left = trials_left(study.get_trials(deepcopy=False), config)
    ended = study.user_attrs.get(ENDED, False) and is_selected(study, config)
    return ended and not left and not left_running(study)


def _show(study: optuna.Study, config: SweepConfig, *, observer: SweepObserver) -> SweepResult:
    """Let the observer see a sweep that was finished by an earlier call."""
    result = result_of(study)
    observer.sweep_started(config.trials, trials_done(study.get_trials(deepcopy=False)))
    observer.sweep_ended(result)
    return result
