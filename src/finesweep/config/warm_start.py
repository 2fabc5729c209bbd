"""Where a sweep takes finished trials of earlier work from: what ``warm_start`` can name.

The form of a source alone decides its kind, never what happens to exist: a bare word is a sweep,
what has a slash is a path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from finesweep.config.base import Problem, Words
from finesweep.config.experiment import Text

EXPERIMENT_PREFIX = "mlflow:"
_SWEEP_NAME = re.compile(r"[^\s/]+")


@dataclass(frozen=True)
class EarlierSweep:
    """Another study of the database that this sweep's study is in."""

    name: str


@dataclass(frozen=True)
class EarlierExperiment:
    """An experiment of the MLflow tracking store."""

    name: str


@dataclass(frozen=True)
class EarlierProject:
    """A KerasTuner project: the folder that holds its ``oracle.json``."""

    path: str


@dataclass(frozen=True)
class EarlierStorage:
    """A database of Optuna's: one of its studies, or all of them where ``study`` is None."""

    url: str
    study: str | None


EarlierSource = EarlierSweep | EarlierExperiment | EarlierProject | EarlierStorage


def source_of(text: str) -> EarlierSource | None:
    """The source that ``text`` names; None for text that names none."""
    if text.startswith(EXPERIMENT_PREFIX):
        name = text.removeprefix(EXPERIMENT_PREFIX).strip()
        return EarlierExperiment(name) if name else None
    if "://" in text:
        url, mark, study = text.rpartition("#") if "#" in text else (text, "", "")
        return EarlierStorage(url, study or None) if url and (study or not mark) else None
    if is_project_path(text):
        return EarlierProject(text)
    return EarlierSweep(text) if _SWEEP_NAME.fullmatch(text) else None


def is_project_path(text: str) -> bool:
    """Whether ``text`` is written as a path: ``./project``, ``~/project``, ``search/project``."""
    is_other = "://" in text or text.startswith(EXPERIMENT_PREFIX)
    return not is_other and ("/" in text or text.startswith("~") or text in (".", ".."))


def _one_source(value: object) -> object:
    """``warm_start: headlines`` is short for ``warm_start: [headlines]``."""
    return [value] if isinstance(value, str) else value


WarmStart = Annotated[
    tuple[Text, ...],
    Field(strict=False),
    BeforeValidator(_one_source),
    Words("a source, or a list of sources"),
]


def source_problems(sources: Sequence[str], *, sweep: str) -> list[Problem]:
    """Sources that name nothing, the sweep itself, or another one again."""
    problems = []
    for index, text in enumerate(sources):
        message = _complaint(text, sweep=sweep)
        if message is None and text in sources[:index]:
            message = f"expected every source once, received {text!r} again"
        if message is not None:
            problems.append(Problem(("warm_start", index), message))
    return problems


def _complaint(text: str, *, sweep: str) -> str | None:
    source = source_of(text)
    if source is None:
        return (
            "expected a sweep's name, mlflow:EXPERIMENT, the path of a KerasTuner project with a "
            f"slash in it, or an Optuna storage such as sqlite:///old.db, received {text!r}"
        )
    if isinstance(source, EarlierSweep) and source.name == sweep:
        return (
            f"expected the name of another sweep, received this sweep's own, {text!r}; start this "
            "one under another name with --new NAME"
        )
    if isinstance(source, EarlierStorage) and _has_password(source.url):
        # The configuration is kept with the study and with the sweep's MLflow run.
        return (
            "expected a database without a password in its URL, which would be kept with every "
            "run, received one; let the driver find it (~/.pgpass, PGPASSWORD)"
        )
    return None


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False
