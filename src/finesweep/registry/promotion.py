"""Promotion: a version enters a stage, and the alias of that name follows."""

from __future__ import annotations

from finesweep.errors import RegistryError
from finesweep.registry.history import record_change
from finesweep.registry.stages import EXCLUSIVE_STAGES, canonical_stage
from finesweep.registry.versions import RegisteredVersion, find_version, list_versions
from finesweep.tracking.mlflow_access import quiet_warnings, translated
from finesweep.tracking.store import TrackingStore


def promote(store: TrackingStore, name: str, version: int, stage: str) -> RegisteredVersion:
    """Move a version to ``stage``; the one that was in Staging or Production before is archived.

    The aliases ``staging`` and ``production`` follow: each points to the version in that stage, and
    a version that leaves a stage loses its alias. Promoting to the stage a version is in already
    changes nothing but puts a lost alias right. Every change is written to the version's history.

    Raises:
        RegistryError: there is no such model, version or stage.
    """
    wanted = canonical_stage(stage)
    chosen = find_version(store, name, version)
    displaced = [
        other
        for other in list_versions(store, name)
        if wanted in EXCLUSIVE_STAGES and other.stage == wanted and other.version != version
    ]
    attempt = f"move version {version} of '{name}' to {wanted}"
    with translated(attempt, into=RegistryError), quiet_warnings():
        if chosen.stage != wanted or displaced:
            store.client.transition_model_version_stage(
                name, str(version), wanted, archive_existing_versions=wanted in EXCLUSIVE_STAGES
            )
        _move_aliases(store, chosen, wanted)
        for other in displaced:
            record_change(store, other, "Archived")
        if chosen.stage != wanted:
            record_change(store, chosen, wanted)
    return find_version(store, name, version)


def _move_aliases(store: TrackingStore, version: RegisteredVersion, stage: str) -> None:
    for exclusive in EXCLUSIVE_STAGES:
        alias = exclusive.lower()
        if exclusive == stage:
            # Takes the alias away from the version that had it.
            store.client.set_registered_model_alias(version.name, alias, str(version.version))
        elif alias in version.aliases:
            store.client.delete_registered_model_alias(version.name, alias)
