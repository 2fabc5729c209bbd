"""Who moved which version to which stage, and when: what answers 'what was in Production then?'.

MLflow keeps only the stage a version is in now. Each move is therefore added to a tag of the
version, ``finesweep.stage.history``: a JSON list of ``{"stage", "at", "by"}``, oldest first. A move
made past finesweep, in MLflow's UI or by its client, leaves no entry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from finesweep.errors import RegistryError
from finesweep.registry.stages import canonical_stage
from finesweep.registry.versions import RegisteredVersion, list_versions, unknown_model
from finesweep.tracking.recording import user_name
from finesweep.tracking.store import TrackingStore

HISTORY_TAG = "finesweep.stage.history"


@dataclass(frozen=True, kw_only=True)
class StageChange:
    """A version entered ``stage`` at ``at`` (UTC), moved there by the user ``by``."""

    version: int
    stage: str
    at: datetime
    by: str


def stage_history(
    store: TrackingStore, name: str, *, stage: str | None = None
) -> list[StageChange]:
    """Every recorded move of the model's versions, oldest first; or those into ``stage``.

    Raises:
        RegistryError: there is no such model or stage.
    """
    wanted = canonical_stage(stage) if stage is not None else None
    versions = list_versions(store, name)
    if not versions:
        raise unknown_model(store, name)
    changes = [change for version in versions for change in _changes(version)]
    kept = [change for change in changes if wanted in (None, change.stage)]
    return sorted(kept, key=lambda change: change.at)


def version_in_stage(store: TrackingStore, name: str, stage: str, *, at: datetime) -> int | None:
    """The version that was in ``stage`` at the moment ``at``, or None.

    A moment without a time zone is taken as UTC.

    Raises:
        RegistryError: there is no such model or stage.
    """
    wanted = canonical_stage(stage)
    moment = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    stages: dict[int, str] = {}
    entered: dict[int, datetime] = {}
    for change in stage_history(store, name):
        if change.at <= moment:
            stages[change.version] = change.stage
            entered[change.version] = change.at
    there = [version for version, current in stages.items() if current == wanted]
    return max(there, key=lambda version: entered[version], default=None)


def record_change(store: TrackingStore, version: RegisteredVersion, stage: str) -> None:
    """Add a move to the version's history; MLflow's own exceptions pass through."""
    entry = {"stage": stage, "at": datetime.now(UTC).isoformat(), "by": user_name()}
    entries = [*json.loads(version.tags.get(HISTORY_TAG, "[]")), entry]
    store.client.set_model_version_tag(
        version.name, str(version.version), HISTORY_TAG, json.dumps(entries)
    )


def _changes(version: RegisteredVersion) -> list[StageChange]:
    try:
        return [
            StageChange(
                version=version.version,
                stage=entry["stage"],
                at=datetime.fromisoformat(entry["at"]),
                by=entry["by"],
            )
            for entry in json.loads(version.tags.get(HISTORY_TAG, "[]"))
        ]
    except (ValueError, KeyError, TypeError) as exc:
        raise RegistryError(
            f"the tag {HISTORY_TAG} of version {version.version} of '{version.name}' is not the "
            "list that finesweep writes; correct it, or delete the tag"
        ) from exc
