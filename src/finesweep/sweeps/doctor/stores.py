"""Whether the tracking store and the study's database open, are whole, and can be written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import optuna
import sqlalchemy
from optuna.storages import RDBStorage

from finesweep.errors import FinesweepError, StudyError
from finesweep.sweeps.doctor import versions
from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.doctor.place import Place, is_there
from finesweep.sweeps.storage import database_file, open_storage, parse_url
from finesweep.sweeps.study import EXPERIMENT_ID, silence_optuna
from finesweep.tracking import TrackingStore
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.store import local_path

Store = TypeVar("Store")

TRACKING = "tracking store"
STUDIES = "study database"

# How long a database that somebody writes to is waited for, in seconds.
BUSY_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What could be opened; None for what could not, or is not there.

    ``studies_known`` says whether it is known which studies there are: also where there is no
    database of them.
    """

    tracking: TrackingStore | None
    storage: RDBStorage | None
    studies_known: bool
    findings: tuple[Finding, ...]


def open_stores(place: Place) -> Stores:
    """Open what is there; nothing is made that is not."""
    findings: list[Finding] = []
    tracking = _opened(
        lambda: TrackingStore.open(root=place.root),
        name=TRACKING,
        url=place.tracking_url if place.tracking_is_a_database else None,
        schema=versions.MLFLOW,
        findings=findings,
    )
    silence_optuna()
    storage = _opened(
        lambda: open_storage(place.study_url, writable=False),
        name=STUDIES,
        url=place.study_url,
        schema=versions.OPTUNA,
        findings=findings,
    )
    broken = any(finding.subject in (STUDIES, "optuna") and finding.is_open for finding in findings)
    return Stores(
        tracking=tracking,
        storage=storage,
        studies_known=not broken,
        findings=tuple(findings),
    )


def _opened(
    open_store: Callable[[], Store],
    *,
    name: str,
    url: str | None,
    schema: versions.Schema,
    findings: list[Finding],
) -> Store | None:
    """One store, opened; what is to be said of it is added to ``findings``."""
    try:
        if url is not None and not is_there(url):
            findings.append(_finding(name, f"there is no {name} yet: the first run makes it"))
            return None
        known = None if url is None else versions.look(schema, url)
        findings += [] if known is None else [known]
        if known is not None and known.is_open:
            return None
        store = open_store()
        if url is not None:
            _check_database(url)
    except FinesweepError as exc:
        findings.append(_problem(name, str(exc)))
        return None
    findings.append(_finding(name, f"the {name} opens and can be written"))
    return store


def _check_database(url: str) -> None:
    """Find out that a SQLite file is whole, and that it can be written; nothing is.

    Raises:
        StudyError: it is not, or cannot.
    """
    file = database_file(parse_url(url))
    if file is None:
        return
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if found != "ok":
                raise StudyError(f"the database {file} is damaged ({found}): restore a copy of it")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            # SQLite begins on what may only be read, too, and says so at the first change.
            same = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            connection.exec_driver_sql(f"PRAGMA user_version = {same}")
            connection.rollback()
    except sqlalchemy.exc.SQLAlchemyError as exc:
        words = " ".join(str(getattr(exc, "orig", None) or exc).split())
        if "locked" in words:
            return  # Somebody writes this very moment; so it can be written.
        raise StudyError(
            f"the database {file} cannot be written ({words}): make it and its folder writable, or "
            "restore a copy of it"
        ) from exc
    finally:
        engine.dispose()


def artifact_folders(tracking: TrackingStore, studies: list[optuna.Study]) -> Iterator[Finding]:
    """Whether the folders in which the sweeps' experiments keep their models can be reached."""
    ids = {study.user_attrs.get(EXPERIMENT_ID) for study in studies} - {None}
    for experiment_id in sorted(ids):
        try:
            yield _artifact_folder(tracking, experiment_id)
        except FinesweepError as exc:
            yield _problem(f"experiment {experiment_id}", str(exc))


def _artifact_folder(tracking: TrackingStore, experiment_id: str) -> Finding:
    with translated(f"read the experiment {experiment_id} in {tracking.address}"):
        experiment = tracking.client.get_experiment(experiment_id)
    subject = f"experiment {experiment.name}"
    if experiment.lifecycle_stage != "active":
        return _problem(
            subject,
            f"the experiment '{experiment.name}' was deleted",
            advice=f"restore it with 'mlflow experiments restore -x {experiment_id}'",
        )
    folder = local_path(experiment.artifact_location)
    if folder is None:
        return _finding(subject, f"the experiment '{experiment.name}' keeps its artifacts remotely")
    # A new experiment's own folder is made with its first artifact.
    there = next((one for one in (folder, *folder.parents[:2]) if one.exists()), None)
    if there is None:
        return _problem(
            subject,
            f"the experiment '{experiment.name}' keeps its artifacts in {folder}, which is gone",
            advice="if it was moved, move it back: MLflow knows it by this path",
        )
    if not os.access(there, os.W_OK):
        return _problem(
            subject, f"the artifact folder {there} cannot be written", advice="make it writable"
        )
    return _finding(subject, f"the artifacts of the experiment '{experiment.name}' are in {folder}")


def _finding(subject: str, what: str) -> Finding:
    return Finding(kind="stores", level="ok", subject=subject, what=what)


def _problem(subject: str, what: str, *, advice: str | None = None) -> Finding:
    return Finding(kind="stores", level="problem", subject=subject, what=what, advice=advice)
