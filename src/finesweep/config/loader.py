"""Experiment and sweep files, with ``--set`` overrides, to validated configurations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from finesweep.config.base import StrictModel
from finesweep.config.document import Document, read
from finesweep.config.experiment import ExperimentConfig
from finesweep.config.hypermodel import hypermodel_folders, require_hypermodel
from finesweep.config.overrides import apply, parse_override
from finesweep.config.paths import absolute, resolve_paths, resolve_sources
from finesweep.config.problems import config_error
from finesweep.config.sweep import SweepConfig
from finesweep.errors import ConfigError

M = TypeVar("M", bound=StrictModel)


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read an experiment file, lay ``overrides`` (``a.b=c``) over it in order, and validate it.

    Relative paths come out absolute: those of the file from its folder, those of an override from
    the working directory.

    Raises:
        ConfigError: names the file and line, or the override, and the field of the first mistake;
            its message lists the others.
    """
    document = _read_experiment(path, name=str(path))
    for override in map(parse_override, overrides):
        apply(override, document, ExperimentConfig)
    resolve_paths(document, ())
    return _validate(ExperimentConfig, document)


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> SweepConfig:
    """Read a sweep file and the experiment file it names, and validate them as one.

    Overrides are those of ``load_experiment``; they reach the experiment as ``experiment.…``.

    Raises:
        ConfigError: as ``load_experiment``; a mistake in the experiment file names that file.
    """
    document = read(path, name=str(path))
    if not {"space", "hypermodel"} & document.values.keys() and "data" in document.values:
        message = "expected a sweep file, received an experiment; `finesweep train` runs one"
        raise document.place(()).source.error(message)
    for override in map(parse_override, overrides):
        if override.path[0] == "experiment" and len(override.path) > 1:
            _open_experiment(document)
        apply(override, document, SweepConfig)
    _open_experiment(document)
    resolve_paths(document, ("experiment",))
    resolve_sources(document)
    config = _validate(SweepConfig, document)
    if config.hypermodel is not None:
        at = document.place(("hypermodel",)).location(("hypermodel",))
        require_hypermodel(config.hypermodel, hypermodel_folders(path), at=at)
    return config


def _read_experiment(path: Path, *, name: str) -> Document:
    document = read(path, name=name)
    for key in ("experiment", "space", "hypermodel"):
        if key in document.values:
            message = f"expected an experiment file, received a sweep: it has the key '{key}'"
            raise document.place(()).source.error(message, line=document.place((key,)).line)
    return document


def _open_experiment(document: Document) -> None:
    """Put the experiment file a sweep names in the place of its name."""
    value = document.get(("experiment",))
    if not isinstance(value, str):
        return
    place = document.place(("experiment",))
    at = place.location(("experiment",))
    file = absolute(value, place.source.folder, at=at)
    if not file.exists() or file.is_dir():
        reason = "a directory" if file.is_dir() else "no such file"
        raise ConfigError(f"expected an experiment file, received {value!r}: {reason}", at=at)
    beside = Path(place.source.name).parent if place.source.has_lines else Path()
    name = os.path.normpath(beside / value)
    document.graft(("experiment",), _read_experiment(file, name=name))


def _validate(model: type[M], document: Document) -> M:
    try:
        # By alias alone: files write `register`, never the attribute's name.
        return model.model_validate(document.values, by_name=False)
    except ValidationError as failure:
        raise config_error(failure, model, document) from failure
