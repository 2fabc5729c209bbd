"""Runs of an experiment as MLflow has them on record, whoever logged them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from finesweep.errors import TrackingError
from finesweep.tracking.lineage import DIGEST_TAG
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.store import TrackingStore
from finesweep.tracking.sweep_run import PARENT_TAG, SWEEP_TAG, TRIAL_TAG

_PAGE = 1000
_MOST_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """A run of an experiment: what went in, and the last value of each metric.

    ``digest`` is that of the data it, or the run above it, was logged with by finesweep; None
    where nobody noted one.
    """

    run_id: str
    name: str
    status: str
    params: dict[str, str]
    metrics: dict[str, float]
    digest: str | None


def recorded_runs(store: TrackingStore, experiment: str) -> list[RecordedRun]:
    """The runs of an experiment that are not deleted, the oldest first.

    The runs that finesweep keeps above a sweep's trials are left out: they are no trainings.

    Raises:
        TrackingError: there is no such experiment, it was deleted, or the store cannot be read.
    """
    with translated(f"read the experiment '{experiment}' of {store.address}"):
        found = store.client.get_experiment_by_name(experiment)
        if found is None or found.lifecycle_stage != "active":
            raise TrackingError(_unknown(store, experiment, deleted=found is not None))
        runs = list(_runs(store, str(found.experiment_id)))
    digests = {run.info.run_id: run.data.tags.get(DIGEST_TAG) for run in runs}
    return [_recorded(run, digests) for run in runs if not _is_sweep(run)]


def _runs(store: TrackingStore, experiment_id: str) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = store.client.search_runs(
            [experiment_id],
            max_results=_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _is_sweep(run: Any) -> bool:
    return SWEEP_TAG in run.data.tags and TRIAL_TAG not in run.data.tags


def _recorded(run: Any, digests: dict[str, str | None]) -> RecordedRun:
    parent = run.data.tags.get(PARENT_TAG, "")
    return RecordedRun(
        run_id=str(run.info.run_id),
        name=str(run.info.run_name),
        status=str(run.info.status),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        digest=digests[run.info.run_id] or digests.get(parent),
    )


def _unknown(store: TrackingStore, experiment: str, *, deleted: bool) -> str:
    if deleted:
        return f"the experiment '{experiment}' was deleted in {store.address}; restore it"
    names = [found.name for found in store.client.search_experiments(max_results=_MOST_NAMES)]
    known = f"it has {', '.join(names)}" if names else "it has none"
    return f"there is no experiment '{experiment}' in {store.address}; {known}"
