from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from sweep_bench import Bench

from finesweep.errors import StudyError
from finesweep.sweeps.showing import list_studies
from finesweep.sweeps.storage import open_storage, parse_url
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
    assert (journal, busy) == ("wal", 30_000)
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
    with pytest.raises(StudyError, match=rf"another version of Optuna .*{optuna.__version__}"):
        open_study(url_of(file), "s", direction="maximize")


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
