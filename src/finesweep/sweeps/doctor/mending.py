"""Puts a sweep in order that nobody runs, as the next call of it would; under its lock."""

from __future__ import annotations

from collections.abc import Iterator

import optuna

from finesweep.errors import FinesweepError
from finesweep.sweeps.deliveries import OUTBOX_FILE, deliver
from finesweep.sweeps.doctor import leftovers, models, runs
from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.doctor.outboxes import PATIENCE_SECONDS
from finesweep.sweeps.doctor.place import Place
from finesweep.sweeps.doctor.situation import IdleSweep
from finesweep.sweeps.lock import coordinator_lock
from finesweep.sweeps.reconcile import find_mismatches, mend
from finesweep.sweeps.record import DEAD
from finesweep.sweeps.storage import open_storage, translated
from finesweep.sweeps.study import NOT_ENDED, STOPPED_BY, stored_configuration
from finesweep.sweeps.take_up import take_up
from finesweep.sweeps.trial_runs import TrialRuns
from finesweep.tracking import Delivery, Outbox, TrackingStore


def repair(name: str, *, place: Place, tracking: TrackingStore | None) -> Iterator[Finding]:
    """Put the sweep in order, as far as the stores can be reached; yields what went wrong."""
    workdir = place.workdir(name)
    try:
        with (
            translated(place.study_url),
            coordinator_lock(place.study_url, name, workdir=workdir),
        ):
            storage = open_storage(place.study_url, writable=True)
            study = optuna.load_study(storage=storage, study_name=name)
            config = stored_configuration(study.user_attrs)
            assert config is not None, "a sweep that is idle has a configuration"
            sweep = IdleSweep(name=name, study=study, config=config, workdir=workdir)
            if tracking is not None:
                _bring_to_agree(sweep, tracking)
            for leftover in leftovers.of_sweep(sweep):
                leftover.remove()
    except FinesweepError as exc:
        yield Finding(kind="sweeps", level="problem", subject=name, what=str(exc), sweep=name)


def _bring_to_agree(sweep: IdleSweep, tracking: TrackingStore) -> None:
    """Deliver what waits, end or park what was left, and let MLflow say what the study says."""
    for run_id in runs.strays(sweep, tracking):
        runs.end_dead(tracking, run_id, reason=DEAD)
    with (
        Outbox.open(sweep.workdir / OUTBOX_FILE) as outbox,
        Delivery(outbox, tracking) as delivery,
    ):
        deliver(delivery, patience=PATIENCE_SECONDS)
        found = runs.run_of(sweep, tracking)
        if found is None:
            return
        sweep_run, info = found
        trial_runs = TrialRuns(sweep_run, outbox)
        take_up(sweep.study, sweep.config, runs=trial_runs, workdir=sweep.workdir)
        deliver(delivery, patience=PATIENCE_SECONDS)
        mismatches = find_mismatches(sweep.study, sweep_run.trial_runs())
        mend(sweep.study, mismatches, sweep_run=sweep_run, runs=trial_runs)
        for model in models.not_kept(sweep, tracking):
            trial_runs.known(model.run_id).remove_model(models.REASON)
        if info.status == "RUNNING":
            sweep_run.end("KILLED", ending="preempted", reason=DEAD, outbox=outbox)
            if sweep.study.user_attrs.get(STOPPED_BY, NOT_ENDED) == NOT_ENDED:
                sweep.study.set_user_attr(STOPPED_BY, DEAD)
        deliver(delivery, patience=PATIENCE_SECONDS)
    for half in models.halves(sweep, tracking):
        half.remove()
