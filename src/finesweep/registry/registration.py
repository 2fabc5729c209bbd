"""From a run to a version of a registered model."""

from __future__ import annotations

import re
from typing import Any

from finesweep.errors import RegistryError
from finesweep.registry.promotion import promote
from finesweep.registry.stages import canonical_stage
from finesweep.registry.versions import RegisteredVersion, as_version, list_versions
from finesweep.tracking.mlflow_access import quiet_warnings, translated
from finesweep.tracking.store import TrackingStore
from finesweep.tracking.sweep_run import SWEEP_TAG, TRIAL_TAG
from finesweep.tracking.trial_run import MODEL_FOLDER

METRIC_TAG_PREFIX = "finesweep.metric."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def register(
    store: TrackingStore, run_id: str, *, name: str, stage: str | None = None
) -> RegisteredVersion:
    """Make the run's model a version of the registered model ``name``, created when missing.

    A run registered before under the same name keeps its version. With ``stage`` the version is
    promoted too.

    Raises:
        RegistryError: no such run, it has no model, or the name or the stage is not valid.
    """
    wanted = canonical_stage(stage) if stage is not None else None
    if not _NAME.fullmatch(name):
        raise RegistryError(
            f"expected a model name of letters, digits, '.', '_' and '-', received '{name}'"
        )
    run = _run_with_model(store, run_id)
    known = [version for version in list_versions(store, name) if version.run_id == run_id]
    version = known[-1] if known else _create(store, run, name=name)
    return version if wanted is None else promote(store, name, version.version, wanted)


def _run_with_model(store: TrackingStore, run_id: str) -> Any:
    hint = "see 'finesweep show SWEEP' for the runs of a sweep"
    with translated(f"register the run '{run_id}'", into=RegistryError, hint=hint):
        run = store.client.get_run(run_id)
        files = store.client.list_artifacts(run_id, MODEL_FOLDER)
    if not any(file.path == f"{MODEL_FOLDER}/MLmodel" for file in files):
        raise RegistryError(
            f"the run {run_id} ({run.info.run_name}, {run.info.status}) has no model; only a trial "
            "that ran to its end keeps one, and retention removes all but the best"
        )
    return run


def _create(store: TrackingStore, run: Any, *, name: str) -> RegisteredVersion:
    from mlflow.exceptions import MlflowException

    tags = {f"{METRIC_TAG_PREFIX}{key}": f"{value:.6g}" for key, value in run.data.metrics.items()}
    tags |= {tag: run.data.tags[tag] for tag in (SWEEP_TAG, TRIAL_TAG) if tag in run.data.tags}
    attempt = f"register the run {run.info.run_id} as '{name}'"
    with translated(attempt, into=RegistryError), quiet_warnings():
        try:
            store.client.create_registered_model(name)
        except MlflowException as exc:
            if exc.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        entity = store.client.create_model_version(
            name,
            source=f"{run.info.artifact_uri.rstrip('/')}/{MODEL_FOLDER}",
            run_id=run.info.run_id,
            tags=tags,
        )
        return as_version(entity, aliases={})
