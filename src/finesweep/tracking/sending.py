"""How each kind of entry reaches MLflow, so that a second time changes nothing.

* Points carry the time at which they were put in; MLflow's databases keep a point that is the same
  in step, value and time only once.
* Params, tags and texts are set to what they are already; an end has its own time.
* Values that follow each other go in one request, the newest of a tag among them.
* A model whose folder has left the outbox has arrived: the folder goes last.
* What is to be removed, and is not there, is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finesweep.errors import TrackingError
from finesweep.tracking.artifacts import artifact_uri, delete_folder
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
from finesweep.tracking.recording import Point, log_values
from finesweep.tracking.store import TrackingStore, impatience, local_path
from finesweep.tracking.trial_run import MODEL_FOLDER

CHECKPOINT_TAG = "finesweep.checkpoint"

# What is sent at once, within what MLflow takes in one request; an end adds two tags.
_MOST_VALUES = 800
_MOST_LABELS = 98
# A server answers an upload when it has stored it, which may be on another machine.
_UPLOAD_SECONDS = 300


def sent_together(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Of the entries of one run those at the front that are sent at once.

    They are consecutive metrics, tags and one entry of params, as far as MLflow's limits go, and
    the end of the run if it follows; anything else goes alone.
    """
    count, points, labels, has_params = 0, 0, 0, False
    for entry in entries:
        match entry.content:
            case Metrics(values=values):
                points += len(values)
            case Tags(values=values):
                labels += len(values)
            case Params(values=values) if not has_params:
                labels += len(values)
                has_params = True
            case End():
                return entries[: count + 1]
            case _:
                break
        if labels > _MOST_LABELS or points + labels > _MOST_VALUES:
            break
        count += 1
    return entries[: max(count, 1)]


class Sender:
    """Carries entries to a store; ``models`` is the folder in which models wait."""

    def __init__(self, store: TrackingStore, *, models: Path) -> None:
        self._store = store
        self._models = models
        # Runs that have no reason on record, as far as is known here: asking costs a request.
        self._without_reason: set[str] = set()

    def send(self, entries: Sequence[Entry]) -> None:
        """Send what ``sent_together`` chose.

        Raises whatever MLflow, its database, the network or the file system raise, and
        ``TrackingError`` for a model that is lost; ``obstacle_of`` tells them apart.
        """
        entry = entries[0]
        match entry.content:
            case Metrics() | Params() | Tags() | End():
                self._send_values(entries)
            case Text(path=path, text=text):
                self._store.client.log_text(entry.run_id, text, path)
            case Model(folder=folder):
                self._send_model(entry.run_id, self._models / folder)
            case ModelRemoval(reason=reason):
                self._remove_model(entry.run_id, reason)
            case Reopening():
                self._store.client.update_run(entry.run_id, status="RUNNING")
                clear_tags(self._store, entry.run_id, (ENDING_TAG, REASON_TAG))
                self._without_reason.add(entry.run_id)

    def _send_values(self, entries: Sequence[Entry]) -> None:
        """Send values in one request, and the end that follows them in another."""
        run_id = entries[0].run_id
        points: list[Point] = []
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        for entry in entries:
            match entry.content:
                case Metrics(step=step, values=values):
                    points += [
                        Point(name=name, value=value, timestamp=entry.timestamp, step=step)
                        for name, value in values.items()
                    ]
                case Params(values=values):
                    params |= values
                case Tags(values=values):
                    tags |= values
                case End(ending=ending, reason=reason):
                    tags |= {ENDING_TAG: ending} | ({REASON_TAG: reason} if reason else {})
        log_values(self._store, run_id, points=points, params=params, tags=tags)
        if params:
            # They come when a run is begun, or before it is reopened.
            self._without_reason.add(run_id)
        if isinstance(entries[-1].content, End):
            self._end(entries[-1], entries[-1].content)

    def _end(self, entry: Entry, end: End) -> None:
        if end.reason is None and entry.run_id not in self._without_reason:
            clear_tags(self._store, entry.run_id, (REASON_TAG,))
        self._without_reason.discard(entry.run_id)
        self._store.client.set_terminated(entry.run_id, status=end.status, end_time=entry.timestamp)

    def _send_model(self, run_id: str, folder: Path) -> None:
        if not folder.is_dir():
            if not self._store.client.list_artifacts(run_id, MODEL_FOLDER):
                raise TrackingError(
                    f"the model of the run {run_id} was to be stored from {folder}, which is gone; "
                    "somebody removed it"
                )
            return
        target = local_path(artifact_uri(self._store, run_id))
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
            delete_folder(self._store, run_id, MODEL_FOLDER)
            tag = f"removed: {reason}"
        log_values(self._store, run_id, tags={CHECKPOINT_TAG: tag})
