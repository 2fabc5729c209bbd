"""Whether an error means that a disk of this machine is full, however deep that lies in it."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_NO_SPACE_ERRORS = (errno.ENOSPC, errno.EDQUOT)
# Below this, in bytes, an input or output error means a full disk: SQLite needs room for its log.
_NO_SPACE = 1 << 16


def is_full_disk(error: BaseException, *, folder: Path | None = None) -> bool:
    """Whether ``error``, or what it came of, says that no space is left.

    In a ``folder`` without space, SQLite's input or output errors say so too.
    """
    return any(_says_so(link, folder) for link in _chain(error))


def _says_so(error: BaseException, folder: Path | None) -> bool:
    if isinstance(error, sqlite3.Error):
        # Without SQLite's finer distinctions; an error that is the driver's own has no code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_IOERR and folder is not None:
            return shutil.disk_usage(folder).free < _NO_SPACE
        return code == sqlite3.SQLITE_FULL
    if isinstance(error, OSError):
        return error.errno in _NO_SPACE_ERRORS
    # Libraries written in Rust, safetensors among them, tell the number in their message only.
    return any(f"(os error {number})" in str(error) for number in _NO_SPACE_ERRORS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from or while handling, and so on; it may come round."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
