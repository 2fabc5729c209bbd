"""A URL to a file in the cache folder: whole, verified, downloaded once."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO

from finesweep.data.sources import Progress
from finesweep.errors import DataError, Location

TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 16
_BY_HAND = (
    "Or fetch the file by other means and name it: --set data.path=FILE "
    "(for a sweep: --set experiment.data.path=FILE)"
)


def fetch(
    url: str,
    *,
    sha256: str | None,
    folder: Path,
    progress: Progress | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Path:
    """The local copy of ``url``; downloads it unless a copy that fits ``sha256`` is there.

    The copy belongs to the URL and the hash together. Without a hash a copy stays for good: delete
    it to fetch the file anew. ``timeout`` (seconds) bounds each wait for the server. Raises
    ``DataError`` when the server cannot be reached, refuses, stops early or sends other bytes.
    """
    key = hashlib.sha256(f"{url}\n{sha256 or ''}".encode()).hexdigest()[:32]
    target = folder / key
    if target.is_file() and (sha256 is None or _digest(target) == sha256):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f"{key}.")
    except OSError as exc:
        raise DataError(
            f"cannot write to the cache folder: {exc.strerror}; make room, or name another folder "
            "in FINESWEEP_CACHE",
            at=Location(file=str(folder)),
        ) from exc
    part = Path(temporary)
    try:
        with os.fdopen(handle, "wb") as file:
            received = _download(url, file, progress=progress, timeout=timeout)
        if sha256 is not None and received != sha256:
            raise DataError(
                f"expected the bytes with SHA-256 {sha256}, the server sent {received}. The file "
                f"behind the URL was changed, or data.sha256 is wrong. {_BY_HAND}",
                at=Location(file=url, field="sha256"),
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, file: BinaryIO, *, progress: Progress | None, timeout: float) -> str:
    """Write the body of ``url`` to ``file``; its SHA-256."""
    at = Location(file=url)
    try:
        request = urllib.request.Request(
            url,
            headers={"User-Agent": "finesweep", "Accept-Encoding": "identity"},
        )
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return _copy(response, file, url=url, progress=progress)
    except urllib.error.HTTPError as exc:
        raise DataError(
            f"the server answered {exc.code} {exc.reason}; check the address. {_BY_HAND}", at=at
        ) from exc
    except urllib.error.URLError as exc:
        raise DataError(f"the server cannot be reached: {exc.reason}. {_BY_HAND}", at=at) from exc
    except TimeoutError as exc:
        raise DataError(
            f"the server sent nothing for {timeout:g} seconds; try again. {_BY_HAND}", at=at
        ) from exc
    except (HTTPException, ValueError, OSError) as exc:
        raise DataError(
            f"the download broke off: {exc or type(exc).__name__}; try again. {_BY_HAND}", at=at
        ) from exc


def _copy(response: HTTPResponse, file: BinaryIO, *, url: str, progress: Progress | None) -> str:
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    digest = hashlib.sha256()
    done = 0
    while chunk := response.read(_CHUNK):
        file.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        if progress is not None:
            progress("downloading the data", done, total)
    if total is not None and done != total:
        raise DataError(
            f"the download stopped early: {done:,} of {total:,} bytes; try again. {_BY_HAND}",
            at=Location(file=url),
        )
    return digest.hexdigest()
