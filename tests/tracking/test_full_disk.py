from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from finesweep.errors import DiskFullError, RegistryError
from finesweep.tracking import TrackingStore
from finesweep.tracking.full_disk import is_full_disk
from finesweep.tracking.mlflow_access import translated


def _full_database() -> sqlite3.Error:
    """SQLite's own error for a database that may not become larger."""
    connection = sqlite3.connect(":memory:")
    connection.execute("pragma max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute("create table t as select zeroblob(100000)")
    connection.close()
    return raised.value


def _caused_by(cause: Exception) -> Exception:
    error = RuntimeError("so it is")
    error.__cause__ = cause
    return error


def test_a_full_disk_is_seen_however_deep_it_lies() -> None:
    assert is_full_disk(_full_database())
    assert is_full_disk(OSError(errno.ENOSPC, "No space left on device"))
    assert is_full_disk(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert is_full_disk(_caused_by(_caused_by(_full_database())))


def test_another_error_is_no_full_disk(tmp_path: Path) -> None:
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorcode = sqlite3.SQLITE_IOERR
    assert not is_full_disk(broken)
    assert not is_full_disk(broken, folder=tmp_path)
    assert not is_full_disk(sqlite3.OperationalError("database is locked"))
    assert not is_full_disk(PermissionError(errno.EACCES, "Permission denied"))


def test_sqlite_s_input_error_on_a_full_disk_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finesweep.tracking.full_disk._NO_SPACE", 1 << 62)
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    assert is_full_disk(broken, folder=tmp_path)


def test_a_full_disk_is_told_as_one_whatever_was_attempted(store: TrackingStore) -> None:
    with (
        pytest.raises(DiskFullError, match="cannot do it: no space .*; free some and run the same"),
        translated("do it", into=RegistryError),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
