"""Relative paths of a configuration, made absolute from where each was written."""

from __future__ import annotations

import re
from pathlib import Path

from finesweep.config.base import KeyPath
from finesweep.config.document import Document
from finesweep.config.warm_start import is_project_path
from finesweep.errors import ConfigError, Location

_URL_OR_PACKAGED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|packaged:")


def resolve_paths(document: Document, experiment: KeyPath) -> None:
    """Make the paths of the experiment at ``experiment`` absolute, in place.

    ``data.path`` and the files of a split by files are paths unless they are URLs or ``packaged:``
    names. A checkpoint is a path only if it looks like one or is a directory, as ``a/b`` may be a
    hub id too.
    """
    data = (*experiment, "data")
    split = (*data, "split")
    for path in [(*data, "path"), (*split, "validation"), (*split, "test")]:
        _resolve(document, path)
    checkpoint = (*experiment, "model", "checkpoint")
    if _is_directory_name(document, checkpoint):
        _resolve(document, checkpoint)


def resolve_sources(document: Document) -> None:
    """Make the paths among the sources of a sweep's ``warm_start`` absolute, in place."""
    sources = document.get(("warm_start",))
    indices = range(len(sources)) if isinstance(sources, list) else ()
    for path in [("warm_start",), *(("warm_start", index) for index in indices)]:
        value = document.get(path)
        if isinstance(value, str) and is_project_path(value):
            _resolve(document, path)


def _resolve(document: Document, path: KeyPath) -> None:
    value = document.get(path)
    if not isinstance(value, str) or not value or _URL_OR_PACKAGED.match(value):
        return
    place = document.place(path)
    file = absolute(value, place.source.folder, at=place.location(path))
    document.put(path, str(file), place)


def absolute(value: str, folder: Path, *, at: Location) -> Path:
    """``value`` from ``folder``, without ``..``; a link at its end is kept for its name's sake.

    A file's suffix says its format, and what a link points to may have none.

    Raises:
        ConfigError: no path can be made of ``value``, which was written ``at``.
    """
    try:
        path = folder / Path(value).expanduser()
        return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
    except (OSError, RuntimeError, ValueError) as exc:
        raise ConfigError(f"expected a path, received {value!r}: {exc}", at=at) from exc


def _is_directory_name(document: Document, path: KeyPath) -> bool:
    value = document.get(path)
    if not isinstance(value, str) or not value or _URL_OR_PACKAGED.match(value):
        return False
    if value in (".", "..") or value.startswith(("./", "../", "/", "~")):
        return True
    try:
        return (document.place(path).source.folder / value).is_dir()
    except (OSError, ValueError):
        return False
