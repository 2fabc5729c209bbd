"""The MLflow run of a sweep: the parent of its trials' runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finesweep.errors import TrackingError
from finesweep.tracking.ending import ENDING_TAG, RunStatus
from finesweep.tracking.entries import End, Reopening
from finesweep.tracking.lineage import DIGEST_TAG, log_dataset
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.outbox import Outbox
from finesweep.tracking.provenance import Provenance
from finesweep.tracking.recording import create_run, log_values
from finesweep.tracking.store import TrackingStore
from finesweep.tracking.trial_run import TrialRun
from finesweep.training.drawing import Value
from finesweep.training.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from finesweep.data import DatasetIdentity

PARENT_TAG = "mlflow.parentRunId"
TRIAL_TAG = "finesweep.trial"
SWEEP_TAG = "finesweep.sweep"
STUDY_TAG = "finesweep.study"
DISCARDED_TAG = "finesweep.discarded"
CONFIG_FILE = "sweep.yaml"
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class ChildRun:
    """A run of one of the sweep's trials, as the store has it now.

    ``start_time`` is milliseconds since 1970; ``ending`` is None while it has none.
    """

    trial: int
    run_id: str
    status: str
    start_time: int
    ending: str | None


class SweepRun:
    """A sweep on record: its configuration, where it comes from, its data and its trials.

    It writes to the store at once; its trials' runs write through an outbox.
    """

    def __init__(self, store: TrackingStore, run_id: str, experiment_id: str, *, name: str) -> None:
        self._store = store
        self.run_id = run_id
        self.experiment_id = experiment_id
        self.name = name

    @classmethod
    def start(
        cls,
        store: TrackingStore,
        *,
        experiment: str,
        name: str,
        study_key: str,
        config_yaml: str,
        params: Mapping[str, str | int | float],
        dataset: DatasetIdentity | None,
        command: str = "finesweep run",
    ) -> SweepRun:
        """Begin the run of a sweep called ``name``, or find the one that was begun for its study.

        ``study_key`` is the study's own: a process that was killed just after it made the run could
        not tell the study. ``config_yaml`` is the resolved configuration, kept as ``sweep.yaml``;
        the git commit, the package versions and the dataset, where it is known, are recorded too.

        Raises:
            TrackingError: the experiment was deleted, or the store cannot be written.
        """
        experiment_id = store.experiment_id(experiment)
        about = {SWEEP_TAG: name, STUDY_TAG: study_key}
        if dataset is not None:
            about[DIGEST_TAG] = dataset.digest
        with translated(
            f"begin the sweep's run in the experiment '{experiment}' of {store.address}"
        ):
            run_id = _begun_for(store, experiment_id, study_key) or create_run(
                store,
                experiment_id,
                name=name,
                command=command,
                tags={**about, **Provenance.collect().as_tags()},
            )
            log_values(store, run_id, params=params)
            if dataset is not None:
                log_dataset(store, run_id, dataset)
            store.client.log_text(run_id, config_yaml, CONFIG_FILE)
        return cls(store, run_id, experiment_id, name=name)

    @classmethod
    def resume(cls, store: TrackingStore, run_id: str, *, outbox: Outbox) -> SweepRun:
        """Reopen a sweep's run that ended, or whose process died: it will be RUNNING again.

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
        # By the outbox: it may still hold how the run ended before.
        outbox.put(run_id, Reopening())
        return cls(store, run_id, str(run.info.experiment_id), name=run.data.tags[SWEEP_TAG])

    def start_trial(
        self,
        number: int,
        hyperparameters: Hyperparameters | Mapping[str, Value],
        *,
        outbox: Outbox,
        command: str = "finesweep run",
    ) -> TrialRun:
        """Begin the child run of trial ``number``, named ``t007``; about 15 ms on SQLite.

        The run exists when this returns. It may exist too if this process is killed within, or the
        server's answer is lost: ``trial_runs`` finds it.

        Raises:
            TrackingError: the store cannot be written.
            DiskFullError: the outbox has no space for the hyperparameters.
        """
        with translated(f"begin the run of trial {number} in {self._store.address}"):
            run_id = create_run(
                self._store,
                self.experiment_id,
                name=f"t{number:03d}",
                command=command,
                tags=self._tags_of(number),
            )
        run = TrialRun(outbox, run_id, self.experiment_id)
        run.log_params(hyperparameters)
        return run

    def adopt_trial(
        self,
        number: int,
        run_id: str,
        *,
        outbox: Outbox,
        hyperparameters: Hyperparameters | Mapping[str, Value] | None = None,
    ) -> TrialRun:
        """Take up the run that trial ``number`` has: it is reopened as soon as the store answers.

        ``hyperparameters`` are for a run that may lack them, since the process that made it was
        killed just after; those on record are not changed by the same again.

        Raises:
            DiskFullError, TrackingError: the outbox cannot be written.
        """
        run = TrialRun(outbox, run_id, self.experiment_id)
        run.set_tags(self._tags_of(number))
        if hyperparameters is not None:
            run.log_params(hyperparameters)
        run.reopen()
        return run

    def trial_runs(self) -> list[ChildRun]:
        """All runs of the sweep's trials that are not deleted, in the order in which they began.

        Raises:
            TrackingError: the store cannot be read.
        """
        found: list[ChildRun] = []
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
                found += [_child(run) for run in page if TRIAL_TAG in run.data.tags]
                token = page.token
                if not token:
                    return found

    def discard(self, run_id: str, reason: str) -> None:
        """Delete a run that a trial has in excess, tagged with the reason; MLflow can restore it.

        Raises:
            TrackingError: there is no such run, or the store cannot be written.
        """
        with translated(f"delete the run {run_id}"):
            log_values(self._store, run_id, tags={DISCARDED_TAG: reason})
            self._store.client.delete_run(run_id)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; a value longer than 5000 characters is cut.

        Raises:
            TrackingError: the store cannot be written.
        """
        self._log(tags=tags)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log metrics of the whole sweep; logged again, the newer value stands.

        Raises:
            TrackingError: the store cannot be written.
        """
        self._log(metrics=metrics)

    def log_text(self, text: str, artifact_path: str) -> None:
        """Store ``text`` as the run's artifact ``artifact_path``.

        Raises:
            TrackingError: the artifact store cannot be written.
        """
        with translated(f"store {artifact_path} with the run {self.run_id}"):
            self._store.client.log_text(self.run_id, text, artifact_path)

    def end(
        self, status: RunStatus, *, ending: str, reason: str | None = None, outbox: Outbox
    ) -> None:
        """End the run of the sweep now; the store hears of it when it answers.

        Runs of trials are ended on their own.

        Raises:
            DiskFullError, TrackingError: the outbox cannot be written.
        """
        outbox.put(self.run_id, End(status=status, ending=ending, reason=reason))

    def _log(self, **values: Any) -> None:
        with translated(f"write to the run {self.run_id} in {self._store.address}"):
            log_values(self._store, self.run_id, **values)

    def _tags_of(self, number: int) -> dict[str, str]:
        return {PARENT_TAG: self.run_id, TRIAL_TAG: str(number), SWEEP_TAG: self.name}


def _begun_for(store: TrackingStore, experiment_id: str, study_key: str) -> str | None:
    """The run that was begun for a study, if there is one."""
    query = f"tags.`{STUDY_TAG}` = '{study_key}'"
    found = store.client.search_runs([experiment_id], filter_string=query, max_results=1)
    return str(found[0].info.run_id) if found else None


def _child(run: Any) -> ChildRun:
    return ChildRun(
        trial=int(run.data.tags[TRIAL_TAG]),
        run_id=str(run.info.run_id),
        status=str(run.info.status),
        start_time=int(run.info.start_time),
        ending=run.data.tags.get(ENDING_TAG),
    )
