"""How each kind of entry reaches MLflow, so that a second time changes nothing.

* Points carry the time at which they were put in; MLflow's databases keep a point that is the same
  in step, value and time only once.
* Params, tags and texts are set to what they are already; an end has its own time.
* A model whose folder has left the outbox has arrived: the folder goes last.
* What is to be removed, and is not there, is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from finesweep.errors import TrackingError
from finesweep.tracking.ending import ENDING_TAG, REASON_TAG, clear_tags
from finesweep.tracking.entries import (
    End,
    Entry,
    Metrics,
    Model,
    ModelRemoval,
    Params,
    Reopening,
    Tags,
    Text,
)
from finesweep.tracking.folders import move_folder, remove_folder
from finesweep.tracking.recording import log_values
from finesweep.tracking.store import TrackingStore, impatience, local_path
from finesweep.tracking.trial_run import MODEL_FOLDER

CHECKPOINT_TAG = "finesweep.checkpoint"

_LARGEST_BATCH = 1000  # points MLflow takes in one request
# A server answers an upload when it has stored it, which may be on another machine.
_UPLOAD_SECONDS = 300


def sent_together(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Of the entries of one run those at the front that one request takes.

    They are consecutive metrics, as far as the limit goes; anything else goes alone.
    """
    points, count = 0, 0
    for entry in takewhile(lambda entry: isinstance(entry.content, Metrics), entries):
        assert isinstance(entry.content, Metrics)
        points += len(entry.content.values)
        if points > _LARGEST_BATCH:
            break
        count += 1
    return entries[: max(count, 1)]


class Sender:
    """Carries entries to a store; ``models`` is the folder in which models wait."""

    def __init__(self, store: TrackingStore, *, models: Path) -> None:
        self._store = store
        self._models = models

    def send(self, entries: Sequence[Entry]) -> None:
        """Send what ``sent_together`` chose.

        Raises whatever MLflow, its database, the network or the file system raise, and
        ``TrackingError`` for a model that is lost; ``obstacle_of`` tells them apart.
        """
        entry = entries[0]
        match entry.content:
            case Metrics():
                self._send_metrics(entries)
            case Params(values=values):
                log_values(self._store, entry.run_id, params=values)
            case Tags(values=values):
                log_values(self._store, entry.run_id, tags=values)
            case Text(path=path, text=text):
                self._store.client.log_text(entry.run_id, text, path)
            case Model(folder=folder):
                self._send_model(entry.run_id, self._models / folder)
            case ModelRemoval(reason=reason):
                self._remove_model(entry.run_id, reason)
            case End() as end:
                self._end(entry, end)
            case Reopening():
                self._store.client.update_run(entry.run_id, status="RUNNING")
                clear_tags(self._store, entry.run_id, (ENDING_TAG, REASON_TAG))

    def _send_metrics(self, entries: Sequence[Entry]) -> None:
        from mlflow.entities import Metric

        points = [
            Metric(name, value, entry.timestamp, entry.content.step)
            for entry in entries
            if isinstance(entry.content, Metrics)
            for name, value in entry.content.values.items()
        ]
        self._store.client.log_batch(entries[0].run_id, metrics=points)

    def _end(self, entry: Entry, end: End) -> None:
        tags = {ENDING_TAG: end.ending}
        if end.reason is None:
            clear_tags(self._store, entry.run_id, (REASON_TAG,))
        else:
            tags[REASON_TAG] = end.reason
        log_values(self._store, entry.run_id, tags=tags)
        self._store.client.set_terminated(entry.run_id, status=end.status, end_time=entry.timestamp)

    def _send_model(self, run_id: str, folder: Path) -> None:
        if not folder.is_dir():
            if not self._store.client.list_artifacts(run_id, MODEL_FOLDER):
                raise TrackingError(
                    f"the model of the run {run_id} was to be stored from {folder}, which is gone; "
                    "somebody removed it"
                )
            return
        target = local_path(self._artifact_uri(run_id))
        if target is not None:
            move_folder(folder, target / MODEL_FOLDER)
            return
        with impatience(seconds=_UPLOAD_SECONDS):
            self._store.client.log_artifacts(run_id, str(folder), MODEL_FOLDER)
        remove_folder(folder)

    def _remove_model(self, run_id: str, reason: str) -> None:
        versions = self._store.client.search_model_versions(f"run_id = '{run_id}'")
        if versions:
            named = f"version {versions[0].version} of {versions[0].name}"
            tag = f"kept, as {named} is made of it; otherwise removed: {reason}"
        else:
            self._delete_artifacts(run_id)
            tag = f"removed: {reason}"
        log_values(self._store, run_id, tags={CHECKPOINT_TAG: tag})

    def _delete_artifacts(self, run_id: str) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        uri = self._artifact_uri(run_id)
        folder = local_path(uri)
        if folder is not None:
            remove_folder(folder / MODEL_FOLDER)
        elif self._store.client.list_artifacts(run_id, MODEL_FOLDER):
            get_artifact_repository(uri, tracking_uri=self._store.uri).delete_artifacts(
                MODEL_FOLDER
            )

    def _artifact_uri(self, run_id: str) -> str:
        return str(self._store.client.get_run(run_id).info.artifact_uri)
