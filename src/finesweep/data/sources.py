"""Where data stands: a file, a URL, or the sample that comes with the package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from finesweep.errors import DataError, Location

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and of how much (None: not known)."""

_PACKAGED = "packaged:"
_SAMPLES = ("headlines",)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data file in memory: its name as the user knows it, its bytes and their SHA-256 (hex)."""

    name: str
    suffix: str
    content: bytes = field(repr=False)
    digest: str


def read_source(
    path: str, *, sha256: str | None = None, cache: Path, progress: Progress | None = None
) -> Source:
    """The bytes behind ``path``: a local file, an ``http(s)://`` URL or ``packaged:NAME``.

    Raises ``DataError`` when there is no such thing, when it cannot be read, or when its bytes are
    not those of ``sha256``. What a URL names is downloaded once and kept under ``cache``.
    """
    if _is_url(path):
        from finesweep.data.download import fetch

        local = fetch(path, sha256=sha256, folder=cache / "downloads", progress=progress)
        suffix = PurePosixPath(urlsplit(path).path).suffix
    else:
        local = _on_this_machine(path)
        suffix = local.suffix
    try:
        content = local.read_bytes()
    except OSError as exc:
        raise DataError(f"cannot be read: {exc.strerror or exc}", at=Location(file=path)) from exc
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise DataError(
            f"expected the bytes with SHA-256 {sha256}, found {digest}. The file is another one or "
            "was changed; put it right, or drop the expectation with --set data.sha256=null",
            at=Location(file=path, field="sha256"),
        )
    return Source(name=path, suffix=suffix, content=content, digest=digest)


def require_source(path: str) -> None:
    """Raise ``DataError`` if there is no file at ``path``; a URL is not asked.

    Takes no time, so that a misspelt name need not wait for what is done before it is read.
    """
    if not _is_url(path):
        _on_this_machine(path)


def _is_url(path: str) -> bool:
    return path.lower().startswith(("http://", "https://"))


def _on_this_machine(path: str) -> Path:
    return _packaged(path) if path.startswith(_PACKAGED) else _local(path)


def _packaged(path: str) -> Path:
    name = path.removeprefix(_PACKAGED)
    if name not in _SAMPLES:
        raise DataError(
            f"there is no bundled sample {name!r}; "
            f"expected {' or '.join(_PACKAGED + sample for sample in _SAMPLES)}",
            at=Location(field="data.path"),
        )
    local = Path(str(files("finesweep.data") / "samples" / f"{name}.json"))
    if not local.is_file():
        raise DataError(
            f"the bundled sample {name!r} is missing from this installation; reinstall finesweep",
            at=Location(file=path),
        )
    return local


def _local(path: str) -> Path:
    at = Location(file=path)
    if "://" in path:
        raise DataError(
            f"expected a file, an http(s):// URL or packaged:headlines, received "
            f"{path.partition('://')[0]}://; download the file and name its path",
            at=at,
        )
    try:
        local = Path(path).expanduser()
        if local.is_file():
            return local
        if local.is_dir():
            raise DataError("expected a file, found a folder; name the file in it", at=at)
        if local.is_symlink():
            raise DataError("the link leads to no file; mend it, or name the file itself", at=at)
        if local.exists():
            raise DataError(
                "expected a file, found a pipe or a device; save in a file what comes out of it, "
                "and name that",
                at=at,
            )
        siblings = [entry.name for entry in local.parent.iterdir()] if local.parent.is_dir() else []
    except (OSError, ValueError, RuntimeError) as exc:
        raise DataError(f"cannot be read: {exc}", at=at) from exc
    if not local.parent.is_dir():
        raise DataError(f"there is no such file: {local.parent} is no folder", at=at)
    near = get_close_matches(local.name, siblings, n=1, cutoff=0.7)
    guess = f"; did you mean {local.parent / near[0]}?" if near else ". Set data.path to the file"
    raise DataError(f"there is no such file{guess}", at=at)
