"""Versions of registered models: what one is, and how it is found."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finesweep.errors import RegistryError
from finesweep.tracking.mlflow_access import quiet_warnings, translated
from finesweep.tracking.store import TrackingStore


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """One version of a registered model.

    ``stage`` is one of ``STAGES`` (``"None"`` is MLflow's name for no stage). ``source`` is where
    the files are; ``tags`` name the sweep, the trial and the metrics of the run it came from.
    """

    name: str
    version: int
    stage: str
    run_id: str
    aliases: tuple[str, ...]
    source: str
    tags: Mapping[str, str]


def list_versions(store: TrackingStore, name: str | None = None) -> list[RegisteredVersion]:
    """The versions of ``name``, or of every registered model: by name, then by version.

    A name that is not registered has no versions.

    Raises:
        RegistryError: the store cannot be read.
    """
    quote = '"' if name is not None and "'" in name else "'"
    condition = f"name = {quote}{name}{quote}" if name is not None else None
    entities: list[Any] = []
    token: str | None = None
    attempt = f"list the registered models of {store.address}"
    with translated(attempt, into=RegistryError), quiet_warnings():
        while True:
            page = store.client.search_model_versions(condition, page_token=token)
            entities += page
            token = page.token
            if not token:
                break
        # A search leaves the aliases out; they are kept with the model.
        names = {entity.name for entity in entities}
        aliases = {each: store.client.get_registered_model(each).aliases for each in names}
        found = [as_version(entity, aliases=aliases[entity.name]) for entity in entities]
    return sorted(found, key=lambda version: (version.name, version.version))


def find_version(store: TrackingStore, name: str, version: int) -> RegisteredVersion:
    """The version ``version`` of the registered model ``name``.

    Raises:
        RegistryError: there is none; the message names those there are.
    """
    versions = list_versions(store, name)
    for candidate in versions:
        if candidate.version == version:
            return candidate
    if versions:
        there = ", ".join(str(candidate.version) for candidate in versions)
        raise RegistryError(f"the model '{name}' has no version {version}; it has {there}")
    raise unknown_model(store, name)


def unknown_model(store: TrackingStore, name: str) -> RegistryError:
    """The error for a name that is not registered, with the names nearest to it."""
    names = sorted({version.name for version in list_versions(store)})
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:5]
    advice = f"did you mean {' or '.join(near)}?" if near else "none is; see 'finesweep register'"
    return RegistryError(f"no model '{name}' is registered in {store.address}; {advice}")


def as_version(entity: Any, *, aliases: Mapping[str, str]) -> RegisteredVersion:
    """``aliases`` maps each alias of the model to the version it points to."""
    number = int(entity.version)
    return RegisteredVersion(
        name=entity.name,
        version=number,
        stage=entity.current_stage or "None",
        run_id=entity.run_id or "",
        aliases=tuple(sorted(alias for alias, to in aliases.items() if int(to) == number)),
        source=entity.source,
        tags=dict(entity.tags),
    )
