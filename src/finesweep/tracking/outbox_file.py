"""The SQLite file of an outbox: its tables, its transactions, and its errors in plain words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finesweep.errors import DiskFullError, FinesweepError, TrackingError
from finesweep.tracking.full_disk import is_full_disk

_APPLICATION_ID = 0x66737762  # tells an outbox from any other SQLite file
_VERSION = 1
_BUSY_SECONDS = 30.0
_SCHEMA = (
    """create table entries (
        number integer primary key autoincrement,
        run_id text not null,
        timestamp integer not null,
        kind text not null,
        content text not null,
        refused text
    )""",
    "create index waiting on entries (run_id, number) where refused is null",
    """create table ticks (
        run_id text not null, step integer not null, primary key (run_id, step)
    ) without rowid""",
    f"pragma application_id = {_APPLICATION_ID}",
    f"pragma user_version = {_VERSION}",
)


class OutboxFile:
    """One connection to the file, which the threads of a process share in turns.

    Statements take microseconds, and a tick must never find the file locked by the delivery of the
    one before.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> OutboxFile:
        """Open ``path``, created when missing.

        Raises:
            TrackingError: the file is damaged, is something else, or cannot be written.
            DiskFullError: there is no space to create it.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as exc:
            raise explained(exc, path) from exc
        file = cls(path, connection)
        try:
            file._prepare()
        except BaseException:
            connection.close()
            raise
        return file

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as exc:
                raise explained(exc, self.path) from exc

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block, or nothing."""
        with self.reading() as connection:
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                # SQLite ends some transactions by itself, such as one that finds the disk full.
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    def close(self) -> None:
        """Close the connection. May be called again."""
        with self._lock:
            self._connection.close()

    def _prepare(self) -> None:
        """Create the tables of a new file; check one that is there."""
        with self.reading() as connection:
            application = connection.execute("pragma application_id").fetchone()[0]
            if application != _APPLICATION_ID and not _is_empty(connection):
                raise TrackingError(
                    f"expected an outbox of finesweep in {self.path}, found another database; move "
                    "it away, then run the same command"
                )
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
        with self.writing() as connection:
            if _is_empty(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
            version = connection.execute("pragma user_version").fetchone()[0]
            if version != _VERSION:
                raise TrackingError(
                    f"the outbox {self.path} has format {version}, expected {_VERSION}: another "
                    "version of finesweep wrote it; let that version finish the sweep"
                )
            found = connection.execute("pragma quick_check").fetchone()[0]
            if found != "ok":
                raise damaged(self.path, found)


def damaged(path: Path, found: str) -> TrackingError:
    """The error for a file whose content cannot be trusted."""
    return TrackingError(
        f"the outbox {path} is damaged ({found}); move it and its -wal file away, then run the "
        "same command: only what had not yet reached the tracking store is lost"
    )


def explained(exc: OSError | sqlite3.Error, path: Path) -> FinesweepError:
    """What an error of the file, or of the folder around it, means for the user."""
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF  # without SQLite's finer distinctions
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return damaged(path, str(exc))
    if is_full_disk(exc, folder=path.parent):
        return DiskFullError(
            f"no space is left for the outbox {path}; free some, then run the same command: it "
            "goes on with what is on record"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TrackingError(
            f"another process has held the outbox {path} for {_BUSY_SECONDS:.0f} s; end it, then "
            "try again"
        )
    return TrackingError(
        f"cannot use the outbox {path}: {exc}; its folder must be one you may write to"
    )


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not connection.execute("select count(*) from sqlite_master").fetchone()[0]
