"""A run's artifacts, wherever the store keeps them: on this machine, at a server, in a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finesweep.errors import TrackingError
from finesweep.tracking.folders import remove_folder
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.store import TrackingStore, impatience, local_path, without_credentials

_DOWNLOAD_SECONDS = 300


def artifact_uri(store: TrackingStore, run_id: str) -> str:
    """Where the run's artifacts are; raises whatever MLflow raises."""
    return str(store.client.get_run(run_id).info.artifact_uri)


def fetch_folder(store: TrackingStore, run_id: str, path: str, *, into: Path) -> Path:
    """The folder ``path`` among the run's artifacts: where it is, or a copy in ``into``.

    MLflow's own ``download_artifacts`` answers every failure alike, with the advice to correct the
    path; here a server that is away can be told from a folder that is not there.

    Raises:
        TrackingError: the folder is not there, or could not be fetched just now: its cause tells,
            and ``passing_obstacle`` reads it.
    """
    attempt = f"fetch '{path}' of the run {run_id}"
    with translated(attempt), impatience(seconds=_DOWNLOAD_SECONDS):
        uri = artifact_uri(store, run_id)
        here = local_path(uri)
        if here is not None and (here / path).is_dir():
            return here / path
        if here is None and store.client.list_artifacts(run_id, path):
            into.mkdir(parents=True, exist_ok=True)
            return Path(_repository(store, uri).download_artifacts(path, str(into)))
    raise TrackingError(
        f"cannot {attempt}: it is not in {without_credentials(uri)}; somebody removed it"
    )


def delete_folder(store: TrackingStore, run_id: str, path: str) -> None:
    """Delete a folder among the run's artifacts, if it is there; raises whatever MLflow raises."""
    uri = artifact_uri(store, run_id)
    folder = local_path(uri)
    if folder is not None:
        remove_folder(folder / path)
    elif store.client.list_artifacts(run_id, path):
        _repository(store, uri).delete_artifacts(path)


def _repository(store: TrackingStore, uri: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri, tracking_uri=store.uri)
