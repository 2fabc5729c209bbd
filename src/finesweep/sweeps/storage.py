"""The study's database: opened so that a kill or a second reader does it no harm.

SQLite runs in WAL mode, so that a reader never blocks the coordinator, and every transaction begins
with BEGIN IMMEDIATE, so that two writers wait for each other instead of failing half-way or
claiming the same trial (Optuna reads before it writes).
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import alembic.util
import optuna
import sqlalchemy
from filelock import FileLock
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url

from finesweep.errors import DiskFullError, StudyError
from finesweep.tracking.full_disk import is_full_disk

BUSY_SECONDS = 60

# Tables by which the two databases are told apart; both call their migrations alembic_version.
OPTUNA_TABLE = "studies"
FOREIGN_MIGRATIONS = "alembic_version"

# What pip calls the drivers that SQLAlchemy imports.
_DRIVER_PACKAGES = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}


def parse_url(url: str) -> URL:
    """The database URL of a study.

    Raises:
        StudyError: it is no database URL.
    """
    try:
        return make_url(url)
    except sqlalchemy.exc.ArgumentError as exc:
        raise StudyError(
            f"expected a database URL for the study, such as sqlite:///mlruns/optuna.db or "
            f"postgresql+psycopg2://user@host/studies, received {url!r}"
        ) from exc


def database_file(url: URL) -> Path | None:
    """The file of a SQLite database; None for a server's, or one in memory."""
    name = url.database
    if url.get_backend_name() != "sqlite" or name in (None, "", ":memory:"):
        return None
    # SQLite also takes a URI in place of a path: file:/some/where.db?mode=ro
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)


def require_usable(url: str) -> None:
    """Raise ``StudyError`` for a database that could not be opened; make and write nothing.

    Asked before the tracking store is made, so that a mistake in one leaves nothing of the other.
    What cannot be known without writing, ``open_storage`` says.
    """
    parsed = parse_url(url)
    file = database_file(parsed)
    if file is None and parsed.get_backend_name() == "sqlite":
        return
    if file is not None and not file.exists():
        _require_place(file)
        return
    with _opening(parsed):
        if OPTUNA_TABLE in _tables(parsed):
            RDBStorage(_full(parsed), engine_kwargs=_engine_options(parsed)).remove_session()


def is_study_database(url: str) -> bool:
    """Whether there is a database of Optuna's studies; nothing is made or written.

    Raises:
        StudyError: the database cannot be read, or belongs to something else.
    """
    parsed = parse_url(url)
    with _opening(parsed):
        return OPTUNA_TABLE in _tables(parsed)


def shown_url(url: str) -> str:
    """What a message calls a database: its file as it is written, or its URL without a password."""
    return _shown(parse_url(url))


def _require_place(file: Path) -> None:
    """A new database needs a folder that is there, or that can be made."""
    place = next(parent for parent in file.absolute().parents if parent.exists())
    if not place.is_dir():
        raise StudyError(
            f"expected a folder for the study's database at {place}, found a file; move it away, "
            "or name another database"
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise StudyError(
            f"cannot write to {place}, where the study's database is to be kept; make it writable "
            "or name another database"
        )


def open_storage(url: str, *, writable: bool) -> RDBStorage:
    """Open the database of studies; a ``writable`` one is made if need be, with its directory.

    Raises:
        StudyError: there is none, it cannot be reached, read or written, it is damaged, it belongs
            to something else or to another version of Optuna.
        DiskFullError: there is no space for it.
    """
    parsed = parse_url(url)
    file = database_file(parsed)
    if file is None:
        return _open(parsed)
    if not writable:
        if not file.exists():
            raise StudyError(f"there is no study database {file}; start a sweep to make one")
        return _open(parsed)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Two sweeps that create the same database at the same moment would both fail.
        with FileLock(f"{file}.lock", timeout=BUSY_SECONDS):
            storage = _open(parsed)
            with translated(url):
                _harden(storage.engine)
            return storage
    except OSError as exc:
        if is_full_disk(exc):
            raise _no_space(file) from exc
        raise StudyError(
            f"cannot write to {file.parent}, where the study's database is kept ({exc.strerror}); "
            "make it writable or name another database"
        ) from exc


def _open(url: URL) -> RDBStorage:
    with _opening(url):
        _tables(url)
        return RDBStorage(_full(url), engine_kwargs=_engine_options(url))


def _full(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _shown(url: URL) -> str:
    file = database_file(url)
    return str(file) if file is not None else url.render_as_string(hide_password=True)


def _address(url: URL) -> str:
    """The URL to type; the path of a file as it is, where SQLAlchemy writes ``%C3%BC`` for ü."""
    file = database_file(url)
    return f"sqlite:///{file}" if file is not None else url.render_as_string(hide_password=True)


@contextmanager
def _opening(url: URL) -> Iterator[None]:
    """Turn what keeps a database from being opened into one line for the user."""
    shown = _shown(url)
    try:
        with translated(_full(url)):
            yield
    except sqlalchemy.exc.NoSuchModuleError as exc:
        raise StudyError(
            f"expected a database of SQLite, PostgreSQL or MySQL, received {shown} ({exc}); "
            "no driver is installed for it"
        ) from exc
    except ImportError as exc:
        package = _DRIVER_PACKAGES.get(exc.name or "", exc.name)
        raise StudyError(
            f"no driver is installed for {shown} ({exc}); install it: pip install '{package}'"
        ) from exc
    except (RuntimeError, alembic.util.CommandError) as exc:
        # Optuna knows the past: what it can bring up to date, it says so.
        upgrade = f"run: optuna storage upgrade --storage {shlex.quote(_address(url))}"
        advice = upgrade if "upgrade" in str(exc) else "install the version that made it"
        raise StudyError(
            f"the study database {shown} was made by another version of Optuna (this one is "
            f"{optuna.__version__}); {advice}, or name another database with --study"
        ) from exc


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn what goes wrong between Optuna and the database into one line for the user."""
    try:
        yield
    except sqlalchemy.exc.NoSuchModuleError:
        raise
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as exc:
        file = database_file(parse_url(url))
        if file is not None and is_full_disk(exc, folder=file.parent):
            raise _no_space(file) from exc
        raise StudyError(_complaint(exc, _shown(parse_url(url)))) from exc


def _no_space(file: Path) -> DiskFullError:
    return DiskFullError(
        f"no space is left for the study database {file}; free some and run the same command: it "
        "goes on with what is on record"
    )


def _complaint(exc: Exception, shown: str) -> str:
    """What is wrong with the database, and what to do, from the driver's own words."""
    cause = exc.__cause__ if isinstance(exc, optuna.exceptions.StorageInternalError) else exc
    original = getattr(cause, "orig", None) or cause or exc
    words = " ".join(str(original).split())
    if "readonly" in words or "read-only" in words:
        advice = "it is read-only: make the file and its directory writable"
    elif "not a database" in words or "malformed" in words:
        advice = "it is damaged or no SQLite database: restore a copy, or move it away"
    elif "unable to open" in words:
        advice = "it cannot be opened: check the path and its permissions"
    elif isinstance(original, sqlite3.OperationalError) and "locked" in words:
        advice = f"another process kept it locked for {BUSY_SECONDS} s: end that one and try again"
    else:
        advice = "check that the server runs and that the URL is right"
    return f"the study database {shown} cannot be used ({words}); {advice}"


def _tables(url: URL) -> set[str]:
    """The tables of a database; one that something else migrates is refused.

    Optuna would write its own into it.
    """
    file = database_file(url)
    if file is not None and not file.exists():
        return set()
    engine = sqlalchemy.create_engine(url)
    try:
        tables = set(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if FOREIGN_MIGRATIONS in tables and OPTUNA_TABLE not in tables:
        raise StudyError(
            f"the database {_shown(url)} belongs to something else (perhaps to MLflow); Optuna "
            "needs one of its own: name another"
        )
    return tables


def _engine_options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    # A server may drop a connection that idles through a long trial.
    return {"pool_pre_ping": True}


def _harden(engine: Engine) -> None:
    """Make every connection of a SQLite engine WAL, and every transaction immediate."""

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        # The driver's own BEGIN comes late, before the first write only.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        # Safe against a kill at any moment; what a power cut could take is the last transactions.
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    # Connections that were opened while the tables were made know nothing of this.
    engine.dispose()
    with engine.connect():
        pass  # A database that cannot be written says so now.
