"""The study of a KerasTuner project, and who may write to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras_tuner
import optuna
from filelock import FileLock, Timeout
from optuna.pruners import BasePruner

from finesweep.errors import StudyError
from finesweep.sweeps.storage import open_storage
from finesweep.sweeps.study import open_study, study_exists

STUDY_FILE = "optuna.db"
LOCK_FILE = ".search.lock"
_OBJECTIVE = "objective"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the project in ``folder`` for as long as the block runs; a killed process lets go.

    Raises:
        StudyError: another process searches in it.
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
        yield
    finally:
        lock.release()


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
    url = storage or f"sqlite:///{folder.absolute() / STUDY_FILE}"
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
    return study
