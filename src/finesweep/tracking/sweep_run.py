"""The MLflow run of a sweep: the parent of its trials' runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from finesweep.errors import TrackingError
from finesweep.tracking.ending import REASON_TAG, RunStatus, end_run
from finesweep.tracking.lineage import DIGEST_TAG, log_dataset
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.provenance import Provenance
from finesweep.tracking.recording import RecordedRun, create_run
from finesweep.tracking.store import TrackingStore
from finesweep.tracking.trial_run import TrialRun
from finesweep.training.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from finesweep.data import DatasetIdentity

PARENT_TAG = "mlflow.parentRunId"
TRIAL_TAG = "finesweep.trial"
SWEEP_TAG = "finesweep.sweep"
CONFIG_FILE = "sweep.yaml"
_PAGE = 1000


class SweepRun(RecordedRun):
    """A sweep on record: its configuration, where it comes from, its data and its trials."""

    def __init__(self, store: TrackingStore, run_id: str, experiment_id: str, *, name: str) -> None:
        super().__init__(store, run_id, experiment_id)
        self.name = name

    @classmethod
    def start(
        cls,
        store: TrackingStore,
        *,
        experiment: str,
        name: str,
        config_yaml: str,
        params: Mapping[str, str | int | float],
        dataset: DatasetIdentity,
        tags: Mapping[str, str] | None = None,
    ) -> SweepRun:
        """Begin the run of a sweep called ``name``.

        ``config_yaml`` is the resolved configuration, kept as ``sweep.yaml``; the git commit, the
        package versions and the dataset are recorded too.

        Raises:
            TrackingError: the experiment was deleted, or the store cannot be written.
        """
        experiment_id = store.experiment_id(experiment)
        about = {SWEEP_TAG: name, DIGEST_TAG: dataset.digest, **Provenance.collect().as_tags()}
        with translated(
            f"begin the sweep's run in the experiment '{experiment}' of {store.address}"
        ):
            run_id = create_run(
                store,
                experiment_id,
                name=name,
                command="finesweep run",
                params=params,
                tags={**about, **(tags or {})},
            )
            log_dataset(store, run_id, dataset)
        run = cls(store, run_id, experiment_id, name=name)
        run.log_text(config_yaml, CONFIG_FILE)
        return run

    @classmethod
    def resume(cls, store: TrackingStore, run_id: str) -> SweepRun:
        """Reopen a sweep's run that ended, or whose process died: its status is RUNNING again.

        Raises:
            TrackingError: the run does not exist, was deleted, or is not a sweep's.
        """
        hint = (
            "name the store it was started in with MLFLOW_TRACKING_URI, or start a sweep under "
            "another name"
        )
        with translated(f"continue the sweep's run {run_id} in {store.address}", hint=hint):
            run = store.client.get_run(run_id)
            if run.info.lifecycle_stage != "active":
                raise TrackingError(
                    f"the sweep's run {run_id} was deleted; restore it with 'mlflow runs restore "
                    f"--run-id {run_id}', or start a sweep under another name"
                )
            if SWEEP_TAG not in run.data.tags:
                raise TrackingError(f"the run {run_id} is not the run of a sweep")
            store.client.update_run(run_id, status="RUNNING")
            if REASON_TAG in run.data.tags:
                store.client.delete_tag(run_id, REASON_TAG)
        return cls(store, run_id, str(run.info.experiment_id), name=run.data.tags[SWEEP_TAG])

    def start_trial(self, number: int, hyperparameters: Hyperparameters) -> TrialRun:
        """Begin the child run of trial ``number``, named ``t007``; about 25 ms on SQLite.

        Raises:
            TrackingError: the store cannot be written.
        """
        with translated(f"begin the run of trial {number} in {self._store.address}"):
            run_id = create_run(
                self._store,
                self.experiment_id,
                name=f"t{number:03d}",
                command="finesweep run",
                params=hyperparameters.as_dict(),
                tags={PARENT_TAG: self.run_id, TRIAL_TAG: str(number), SWEEP_TAG: self.name},
            )
        return TrialRun(self._store, run_id, self.experiment_id)

    def trial_run_ids(self) -> dict[int, str]:
        """Trial number to run id; of a trial that ran twice, the later run.

        Raises:
            TrackingError: the store cannot be read.
        """
        found: dict[int, str] = {}
        token: str | None = None
        with translated(f"list the trials of the sweep's run {self.run_id}"):
            while True:
                page = self._store.client.search_runs(
                    [self.experiment_id],
                    filter_string=f"tags.`{PARENT_TAG}` = '{self.run_id}'",
                    max_results=_PAGE,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
                tagged = [run for run in page if TRIAL_TAG in run.data.tags]
                found |= {int(run.data.tags[TRIAL_TAG]): str(run.info.run_id) for run in tagged}
                token = page.token
                if not token:
                    return found

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log metrics of the whole sweep; logged again, the newer value stands.

        Raises:
            TrackingError: the store cannot be written.
        """
        self._log(metrics=metrics)

    def end(self, status: RunStatus, *, reason: str | None = None) -> None:
        """End the run of the sweep; runs of trials are ended on their own.

        Raises:
            TrackingError: the store cannot be written.
        """
        end_run(self._store, self.run_id, status, reason=reason)
