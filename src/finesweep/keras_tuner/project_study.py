"""The study of a KerasTuner project, and who may write to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras_tuner
import optuna
from filelock import FileLock, Timeout
from optuna.pruners import BasePruner

from finesweep.errors import StudyError
from finesweep.sweeps.lock import coordinator_lock
from finesweep.sweeps.storage import open_storage
from finesweep.sweeps.study import open_study, study_exists

STUDY_FILE = "optuna.db"
LOCK_FILE = ".search.lock"
_OBJECTIVE = "objective"


@contextmanager
def locked(folder: Path, *, name: str, storage: str | None) -> Iterator[None]:
    """Hold the project in ``folder`` for as long as the block runs; a killed process lets go.

    Its study, called ``name``, may be in a database that others know of: it is held like a sweep's.

    Raises:
        StudyError: another process searches in it, or with the study of that name in ``storage``.
    """
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise StudyError(
            f"another process searches in {folder}; wait until it ends, or give this search "
            "another project_name"
        ) from exc
    try:
        with coordinator_lock(study_url(folder, storage), name, workdir=folder):
            yield
    finally:
        lock.release()


def project_folder(directory: str | Path | None, project_name: str | None) -> Path:
    """Where KerasTuner has the project of these arguments."""
    return Path(directory or ".") / (project_name or "untitled_project")


def refuse_if_searched(folder: Path, *, storage: str | None) -> None:
    """Raise ``StudyError`` if another process searches in the project in ``folder``."""
    if folder.is_dir():
        with locked(folder, name=folder.name, storage=storage):
            pass


def study_url(folder: Path, storage: str | None) -> str:
    """The database of the project's study."""
    return storage or f"sqlite:///{folder.absolute() / STUDY_FILE}"


def open_project_study(
    folder: Path,
    *,
    name: str,
    objective: keras_tuner.Objective,
    pruner: BasePruner,
    storage: str | None,
    anew: bool,
) -> optuna.Study:
    """The study called ``name``: in the project's folder, or in the database ``storage`` names.

    One that is there is deleted first if the search begins ``anew``.

    Raises:
        StudyError: the study is of another objective, or its database cannot be used.
    """
    url = study_url(folder, storage)
    if anew and study_exists(url, name):
        optuna.delete_study(study_name=name, storage=open_storage(url, writable=True))
    study = open_study(
        url,
        name,
        direction="maximize" if objective.direction == "max" else "minimize",
        pruner=pruner,
    )
    known = study.user_attrs.get(_OBJECTIVE, str(objective))
    if known != str(objective):
        raise StudyError(
            f"the search in {folder} was started with {known}, received {objective}; put it back, "
            "give this search another project_name, or pass overwrite=True"
        )
    study.set_user_attr(_OBJECTIVE, str(objective))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Whoever learns from this study must know what its values are.
        study.set_metric_names([objective.name])
    return study
