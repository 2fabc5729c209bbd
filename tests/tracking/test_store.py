from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from finesweep.errors import TrackingError
from finesweep.tracking import TrackingStore
from finesweep.tracking.store import future_artifact_root, local_path


def _open_and_create(root: str, name: str) -> str:
    return TrackingStore.open(root=Path(root)).experiment_id(name)


def test_the_store_is_an_absolute_sqlite_file(
    fresh_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _placed(fresh_database, tmp_path / "mlruns" / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    store = TrackingStore.open()
    assert store.uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert store.root == tmp_path / "mlruns"
    experiment = store.client.get_experiment(store.experiment_id("headlines"))
    assert experiment.artifact_location == str(tmp_path / "mlruns/artifacts/headlines")
    assert {path.name for path in tmp_path.iterdir()} == {"mlruns"}


def _placed(database: Path, file: Path) -> None:
    file.parent.mkdir()
    shutil.copy(database, file)


def test_several_processes_open_a_fresh_store_together(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        ids = pool.starmap(_open_and_create, [(str(tmp_path / "m"), "one")] * 2)
    assert len(set(ids)) == 1


def test_a_path_with_spaces_and_accents(fresh_database: Path, tmp_path: Path) -> None:
    _placed(fresh_database, tmp_path / "mes expériences" / "mlflow.db")
    store = TrackingStore.open(root=tmp_path / "mes expériences")
    assert store.client.get_experiment_by_name("Default") is not None
    assert len(list((tmp_path / "mes expériences").glob("*.db"))) == 1


def test_a_relative_sqlite_uri_is_made_absolute(
    fresh_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _placed(fresh_database, tmp_path / "team" / "runs.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///team/runs.db")
    store = TrackingStore.open(root=tmp_path / "ignored")
    assert store.uri == f"sqlite:///{tmp_path}/team/runs.db"
    assert store.root == tmp_path / "team"
    assert not (tmp_path / "ignored").exists()


def test_an_empty_tracking_uri_counts_as_none(
    store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", " ")
    assert TrackingStore.open(root=store.root).uri == store.uri


@pytest.mark.parametrize("uri", ["./mlruns", "file:///srv/mlruns", "/srv/mlruns", "nonsense://x"])
def test_a_store_mlflow_cannot_write_is_refused(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match="no longer writes to; expected a database") as caught:
        TrackingStore.open()
    assert f"'{uri}'" in str(caught.value)
    assert "Unset MLFLOW_TRACKING_URI" in str(caught.value)


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match="expected a file: sqlite:////absolute"):
        TrackingStore.open()


def test_a_server_that_is_not_there_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:1")
    before = dict(os.environ)
    started = time.monotonic()
    with pytest.raises(TrackingError) as caught:
        TrackingStore.open()
    assert time.monotonic() - started < 30
    assert str(caught.value) == (
        "cannot reach the tracking server http://127.0.0.1:1: Connection refused; "
        "start it, or correct (or unset) MLFLOW_TRACKING_URI"
    )
    assert {key: value for key, value in os.environ.items() if "RETRIES" in key} == {
        key: value for key, value in before.items() if "RETRIES" in key
    }


def test_a_database_without_a_driver_hides_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql://me:secret@host/db")
    with pytest.raises(TrackingError, match="needs a driver that is not installed") as caught:
        TrackingStore.open()
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrackingError, match=r"cannot open the tracking store in .*file/mlruns"):
        TrackingStore.open(root=tmp_path / "file" / "mlruns")


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "mlruns").write_text("in the way")
    with pytest.raises(TrackingError, match=r"expected a folder at .*mlruns, found a file"):
        TrackingStore.open(root=tmp_path / "mlruns")


def test_a_folder_where_the_database_should_be(tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "mlflow.db").mkdir(parents=True)
    with pytest.raises(TrackingError, match=r"expected a database at .*mlflow\.db, found a folder"):
        TrackingStore.open(root=tmp_path / "mlruns")


def test_who_only_looks_for_something_makes_no_store(
    fresh_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrackingError, match="there is no tracking store in .*/mlruns"):
        TrackingStore.open(create=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/team/runs.db")
    with pytest.raises(TrackingError, match=r"in .*/team \(no runs\.db\); run this in the folder"):
        TrackingStore.open(create=False)
    assert list(tmp_path.iterdir()) == []
    _placed(fresh_database, tmp_path / "team" / "runs.db")
    assert TrackingStore.open(create=False).root == tmp_path / "team"


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("http://[::1", "Invalid IPv6 URL"),
        ("http://", "it has no host"),
        ("http://localhost:99999", "Port out of range 0-65535"),
        ("https://user:secret@localhost:five", "Port could not be cast"),
    ],
)
def test_an_address_no_server_can_have(
    uri: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match="which is no address") as caught:
        TrackingStore.open()
    assert fault in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(TrackingError, match="choose a folder you may write to"):
        TrackingStore.open(root=tmp_path / "mlruns")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is a text " * 100)
    with pytest.raises(TrackingError, match="not a database; .*put mlflow.db right") as caught:
        TrackingStore.open(root=tmp_path)
    assert "\n" not in str(caught.value)


def test_a_database_of_another_mlflow(store: TrackingStore, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert store.root is not None
    (other / "mlflow.db").write_bytes((store.root / "mlflow.db").read_bytes())
    with sqlite3.connect(other / "mlflow.db") as connection:
        connection.execute("update alembic_version set version_num = '451aebb31d03'")
    with pytest.raises(TrackingError, match=r"out-of-date database schema.*mlflow db upgrade"):
        TrackingStore.open(root=other)


@pytest.mark.parametrize("character", "?#%")
def test_a_path_no_database_uri_can_hold(character: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="has one of the characters"):
        TrackingStore.open(root=tmp_path / f"a{character}b")


def test_an_experiment_is_created_once(store: TrackingStore) -> None:
    assert store.experiment_id("one") == store.experiment_id("one") != store.experiment_id("two")


def test_a_deleted_experiment_is_named(store: TrackingStore) -> None:
    number = store.experiment_id("gone")
    store.client.delete_experiment(number)
    with pytest.raises(TrackingError, match=rf"mlflow experiments restore -x {number}"):
        store.experiment_id("gone")


def test_opening_and_using_a_store_prints_nothing(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from finesweep.tracking import TrackingStore\n"
        f"store = TrackingStore.open(root=Path({str(tmp_path)!r}))\n"
        "run = store.client.create_run(store.experiment_id('e'))\n"
        "store.client.log_text(run.info.run_id, 'x', 'x.txt')\n"
        "store.client.set_terminated(run.info.run_id)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_importing_the_room_loads_no_mlflow() -> None:
    code = "import sys, finesweep.tracking, finesweep.registry; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/srv/a b", Path("/srv/a b")),
        ("file:///srv/a%20b", Path("/srv/a b")),
        ("mlflow-artifacts:/1/x", None),
        ("s3://bucket/x", None),
    ],
)
def test_local_path(uri: str, path: Path | None) -> None:
    assert local_path(uri) == path


@pytest.mark.parametrize("uri", ["", "sqlite:///team/runs.db"])
def test_where_artifacts_will_be_is_known_before(
    uri: str, fresh_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    place = future_artifact_root()
    assert list(tmp_path.iterdir()) == []
    _placed(fresh_database, tmp_path / (uri.removeprefix("sqlite:///") or "mlruns/mlflow.db"))
    assert TrackingStore.open().artifact_root == place


def test_a_server_decides_for_itself_where_artifacts_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert future_artifact_root() is None


def test_whoever_reads_holds_up_nobody_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = TrackingStore.open(root=tmp_path)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as reader:
        assert reader.execute("pragma journal_mode").fetchone() == ("wal",)
        reader.execute("begin")
        before = reader.execute("select count(*) from experiments").fetchone()
        store.experiment_id("another")
        assert reader.execute("select count(*) from experiments").fetchone() == before
