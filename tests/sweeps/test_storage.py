from __future__ import annotations

import os
import re
import sqlite3
import stat
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from sweep_bench import Bench

from finesweep.errors import DiskFullError, StudyError
from finesweep.sweeps.showing import list_studies
from finesweep.sweeps.storage import (
    BUSY_SECONDS,
    open_storage,
    parse_url,
    require_usable,
    translated,
)
from finesweep.sweeps.study import open_study

as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_sqlite_is_opened_for_two_writers(tmp_path: Path) -> None:
    storage = open_storage(url_of(tmp_path / "deep" / "er" / "optuna.db"), writable=True)
    seen: list[str] = []

    @sqlalchemy.event.listens_for(storage.engine, "before_cursor_execute")
    def _note(conn: object, cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    with storage.engine.connect() as connection:
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        busy = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert (journal, busy) == ("wal", BUSY_SECONDS * 1000)
    assert seen[0] == "BEGIN IMMEDIATE"


def test_a_study_in_memory_works() -> None:
    study = open_study("sqlite://", "s", direction="maximize")
    study.tell(study.ask(), 1.0)
    assert study.best_value == 1.0


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "optuna.db"
    file.write_bytes(b"not a database, by no means " * 50)
    with pytest.raises(StudyError, match=r"optuna\.db cannot be used .*damaged or no SQLite"):
        open_storage(url_of(file), writable=True)
    assert file.read_bytes().startswith(b"not a database")


def test_a_database_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "optuna.db"
    study = open_study(url_of(file), "s", direction="maximize")
    for _ in range(30):
        study.tell(study.ask(), 1.0)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 3])
    for leftover in tmp_path.glob("optuna.db-*"):
        leftover.unlink()
    with pytest.raises(StudyError, match="damaged"):
        open_study(url_of(file), "s", direction="maximize")


def test_the_database_of_something_else_is_left_alone(bench: Bench) -> None:
    assert bench.store.root is not None
    file = bench.store.root / "mlflow.db"
    before = file.read_bytes()
    with pytest.raises(StudyError, match="belongs to something else"):
        open_storage(url_of(file), writable=True)
    assert file.read_bytes() == before


def test_the_database_of_another_optuna(tmp_path: Path) -> None:
    file = tmp_path / "optuna.db"
    open_study(url_of(file), "s", direction="maximize")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.9.0.a'")
        connection.execute("UPDATE version_info SET library_version = '9.9.0'")
    message = rf"another version of Optuna .*{optuna.__version__}.*install the version that made it"
    with pytest.raises(StudyError, match=message):
        open_study(url_of(file), "s", direction="maximize")
    with pytest.raises(StudyError, match=message):
        require_usable(url_of(file))


def test_the_database_of_an_older_optuna_can_be_upgraded(tmp_path: Path) -> None:
    file = tmp_path / "mein Büro" / "optuna.db"
    open_study(url_of(file), "s", direction="maximize")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
    command = f"optuna storage upgrade --storage 'sqlite:///{file}'"
    with pytest.raises(StudyError, match=re.escape(command)):
        require_usable(url_of(file))


def test_to_ask_whether_a_database_is_usable_makes_and_changes_nothing(tmp_path: Path) -> None:
    require_usable(url_of(tmp_path / "deep" / "er" / "optuna.db"))
    require_usable("sqlite://")
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "optuna.db"
    sqlite3.connect(file).execute("CREATE TABLE mine (x)").connection.close()
    before = file.read_bytes()
    require_usable(url_of(file))
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("optuna.db", "expected a database URL"),
        ("sqlite:///{folder}/file/deep/optuna.db", "found a file; move it away"),
        ("sqlite:///{folder}/file", "no SQLite database"),
        ("sqlite:///{folder}", "cannot be opened"),
        ("redis://host", "a database of SQLite, PostgreSQL or MySQL, received redis://host"),
    ],
)
def test_a_database_that_is_not_usable(tmp_path: Path, url: str, message: str) -> None:
    (tmp_path / "file").write_text("no database at all\n" * 99)
    with pytest.raises(StudyError, match=message):
        require_usable(url.format(folder=tmp_path))


@as_root
def test_a_read_only_directory(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(StudyError, match="make it writable"):
        open_storage(url_of(folder / "optuna.db"), writable=True)


def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    # What root meets, too: SQLite's own read-only mode.
    file = tmp_path / "optuna.db"
    open_study(url_of(file), "s", direction="maximize")
    with pytest.raises(StudyError, match="it is read-only"):
        open_study(f"sqlite:///file:{file}?mode=ro&uri=true", "s", direction="maximize")


def test_a_path_that_is_a_directory(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be opened"):
        open_storage(url_of(tmp_path), writable=True)


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="where the study's database is kept"):
        open_storage(url_of(tmp_path / "file" / "optuna.db"), writable=True)


def test_no_url(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"expected a database URL .*received 'mlruns/optuna.db'"):
        parse_url("mlruns/optuna.db")


def test_a_driver_that_is_not_installed() -> None:
    with pytest.raises(StudyError, match="no driver is installed") as caught:
        open_storage("oracle+nosuch://user:secret@host/studies", writable=True)
    assert "secret" not in str(caught.value)


def test_to_look_at_studies_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no study database"):
        list_studies(url_of(tmp_path / "mlruns" / "optuna.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_finds_no_space(tmp_path: Path) -> None:
    study = open_study(url_of(tmp_path / "optuna.db"), "s", direction="maximize")
    engine = study._storage._backend._backend.engine

    @sqlalchemy.event.listens_for(engine, "begin")
    def _no_larger(connection: sqlalchemy.Connection) -> None:
        pages = connection.exec_driver_sql("pragma page_count").scalar()
        connection.exec_driver_sql(f"pragma max_page_count = {pages}")

    with (
        pytest.raises(DiskFullError, match=r"no space is left for .*optuna\.db; free some and run"),
        translated(url_of(tmp_path / "optuna.db")),
    ):
        study.set_user_attr("a", "x" * 100_000)
