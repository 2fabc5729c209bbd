"""Whether MLflow says of every sweep that nobody runs what its study says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from finesweep.errors import FinesweepError
from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.doctor.situation import IdleSweep, Situation
from finesweep.sweeps.reconcile import Mismatch, find_mismatches
from finesweep.sweeps.storage import translated as study_translated
from finesweep.sweeps.study import SWEEP_RUN_ID
from finesweep.tracking import SweepRun, TrackingStore, end_run
from finesweep.tracking.ending import ENDING_TAG
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.recording import log_values
from finesweep.tracking.sweep_run import PARENT_TAG, SWEEP_TAG


def look(situation: Situation) -> Iterator[Finding]:
    """The runs that do not agree with their study; one finding where all do."""
    if situation.tracking is None:
        return
    is_well, looked_at = True, 0
    with study_translated(situation.place.study_url):
        for sweep in situation.idle:
            looked_at += 1
            try:
                findings = list(_look_at(sweep, situation.tracking))
            except FinesweepError as exc:
                findings = [_problem(sweep, sweep.name, str(exc))]
            is_well = is_well and not findings
            yield from findings
    if is_well and looked_at:
        yield Finding(
            kind="runs",
            level="ok",
            subject="runs",
            what="MLflow says of every trial what its study says",
        )


def run_of(sweep: IdleSweep, tracking: TrackingStore) -> tuple[SweepRun, Any] | None:
    """The sweep's run as it is, with MLflow's own view of it; None where it has none yet.

    Raises:
        TrackingError: it is not in this store.
    """
    run_id = sweep.study.user_attrs.get(SWEEP_RUN_ID)
    if run_id is None:
        return None
    hint = "name the store the sweep was started in with MLFLOW_TRACKING_URI"
    with translated(f"find the run of the sweep '{sweep.name}'", hint=hint):
        run = tracking.client.get_run(run_id)
    experiment_id = str(run.info.experiment_id)
    return SweepRun(tracking, run_id, experiment_id, name=sweep.name), run.info


def strays(sweep: IdleSweep, tracking: TrackingStore) -> list[str]:
    """Runs of a sweep of this name, RUNNING, of which the study knows nothing.

    Its process was killed before it could note the run. Only in a store of this machine: on a
    server it may be somebody else's sweep.
    """
    if tracking.root is None:
        return []
    with translated(f"look for runs of the sweep '{sweep.name}'"):
        experiment = tracking.client.get_experiment_by_name(sweep.config.experiment.name)
        if experiment is None:
            return []
        found = tracking.client.search_runs(
            [experiment.experiment_id],
            filter_string=f"tags.`{SWEEP_TAG}` = '{sweep.name}' and attributes.status = 'RUNNING'",
        )
    own = sweep.study.user_attrs.get(SWEEP_RUN_ID)
    tops = (run for run in found if PARENT_TAG not in run.data.tags)
    return [run_id for run in tops if (run_id := str(run.info.run_id)) != own]


def end_dead(tracking: TrackingStore, run_id: str, *, reason: str) -> None:
    """End a run whose process is gone, and of which nothing waits in an outbox.

    Raises:
        TrackingError: the store cannot be written.
    """
    with translated(f"end the run {run_id}"):
        log_values(tracking, run_id, tags={ENDING_TAG: "preempted"})
    end_run(tracking, run_id, "KILLED", reason=reason)


def _look_at(sweep: IdleSweep, tracking: TrackingStore) -> Iterator[Finding]:
    for run_id in strays(sweep, tracking):
        what = f"{sweep.name}: the run {run_id} is RUNNING, and the study does not know it"
        yield _problem(sweep, run_id, what, advice="--repair ends it", repairable=True)
    found = run_of(sweep, tracking)
    if found is None:
        return
    sweep_run, info = found
    if info.lifecycle_stage != "active":
        yield _problem(
            sweep,
            sweep_run.run_id,
            f"{sweep.name}: its run {sweep_run.run_id} was deleted",
            advice=f"restore it with 'mlflow runs restore --run-id {sweep_run.run_id}'",
        )
        return
    if info.status == "RUNNING":
        what = f"{sweep.name}: nobody runs it, but its run {sweep_run.run_id} is RUNNING"
        yield _problem(sweep, sweep_run.run_id, what, advice="--repair ends it", repairable=True)
    for mismatch in find_mismatches(sweep.study, sweep_run.trial_runs()):
        yield _mismatch(sweep, mismatch)


def _mismatch(sweep: IdleSweep, mismatch: Mismatch) -> Finding:
    what = f"{sweep.name}: t{mismatch.trial:03d}, {mismatch.detail}"
    if mismatch.can_be_mended:
        does = "deletes it" if mismatch.kind == "double" else "makes it agree with the study"
        return _problem(sweep, mismatch.run_id, what, advice=f"--repair {does}", repairable=True)
    if mismatch.kind == "missing":
        advice = f"if you did not mean it, 'mlflow runs restore --run-id {mismatch.run_id}'"
    else:
        advice = "left alone: delete it in MLflow if it is not wanted"
    return Finding(
        kind="runs",
        level="warning",
        subject=mismatch.run_id,
        what=what,
        advice=advice,
        sweep=sweep.name,
    )


def _problem(
    sweep: IdleSweep,
    subject: str,
    what: str,
    *,
    advice: str | None = None,
    repairable: bool = False,
) -> Finding:
    return Finding(
        kind="runs",
        level="problem",
        subject=subject,
        what=what,
        advice=advice,
        sweep=sweep.name,
        repairable=repairable,
    )
