"""What a doctor says of the machine, and of stores that are away, old, damaged or not there."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import optuna
import pytest

from finesweep.sweeps.doctor import Finding, Place, environment, examine, free_disk
from finesweep.sweeps.doctor.stores import artifact_folders
from finesweep.tracking import TrackingStore


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path / "mlruns"
    return Place(
        root=root,
        study_url=f"sqlite:///{root}/optuna.db",
        work=root / "work",
        cache=tmp_path / "cache",
    )


@pytest.fixture
def with_stores(place: Place, new_databases: Path) -> Place:
    shutil.copytree(new_databases, place.root)
    return place


def problems(place: Place, *, repair: bool = False) -> list[Finding]:
    return [
        finding
        for finding in examine(place, repair=repair)
        if finding.level == "problem" and finding.kind not in ("environment", "workers")
    ]


def test_where_nothing_was_run_nothing_is_made(place: Place, tmp_path: Path) -> None:
    for repair in (False, True):
        found = examine(place, repair=repair)
        assert [one.what for one in found if "nothing was run here yet" in one.what]
        assert not any(one.is_open for one in found)
    assert list(tmp_path.iterdir()) == []


def test_stores_that_are_well(with_stores: Place) -> None:
    assert problems(with_stores) == []
    well = [one.what for one in examine(with_stores) if one.kind in ("versions", "stores")]
    assert len(well) == 4
    assert any("the tables of Optuna 5" in what for what in well)
    assert any("the tables of MLflow 3" in what for what in well)


def set_version(file: Path, version: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("update alembic_version set version_num = ?", (version,))
    connection.close()


def test_databases_of_earlier_versions(with_stores: Place) -> None:
    root = with_stores.root
    set_version(root / "optuna.db", "v3.0.0.d")
    set_version(root / "mlflow.db", "451aebb31d03")
    before = (root / "mlflow.db").read_bytes()
    mlflow, optuna = problems(with_stores)
    assert optuna.kind == mlflow.kind == "versions"
    assert "has tables of version v3.0.0.d, Optuna 5" in optuna.what
    command = f"optuna storage upgrade --storage {with_stores.study_url}"
    assert command in (optuna.advice or "")
    assert f"mlflow db upgrade sqlite:///{root}/mlflow.db" in (mlflow.advice or "")
    # MLflow itself would have begun to change it.
    assert (root / "mlflow.db").read_bytes() == before
    assert problems(with_stores, repair=True) == [mlflow, optuna]


def test_a_database_of_a_later_version(with_stores: Place) -> None:
    set_version(with_stores.root / "optuna.db", "v9.9.9")
    (optuna,) = problems(with_stores)
    assert optuna.advice == "a later Optuna wrote it: pip install --upgrade optuna"


@pytest.mark.parametrize("name", ["optuna.db", "mlflow.db"])
def test_a_file_that_is_no_database(name: str, with_stores: Place) -> None:
    for file in with_stores.root.glob(f"{name}*"):
        file.unlink()
    (with_stores.root / name).write_bytes(b"what is this" * 1000)
    for repair in (False, True):
        (found,) = problems(with_stores, repair=repair)
        assert "not a database" in found.what
        assert found.kind == "stores"


@pytest.mark.parametrize("name", ["optuna.db", "mlflow.db"])
def test_a_database_with_a_damaged_page(name: str, with_stores: Place) -> None:
    file = with_stores.root / name
    connection = sqlite3.connect(file)
    connection.execute("pragma journal_mode = delete")
    connection.close()
    content = bytearray(file.read_bytes())
    # Past the schema, which is read at the start.
    half = len(content) // 2 // 4096 * 4096
    content[half : half + 4 * 4096] = b"\xff" * 4 * 4096
    file.write_bytes(content)
    (found,) = problems(with_stores)
    assert "damaged" in found.what or "malformed" in found.what


def test_a_study_database_that_is_mlflows(with_stores: Place) -> None:
    url = f"sqlite:///{with_stores.root}/mlflow.db"
    place = Place(root=with_stores.root, study_url=url, work=with_stores.work, cache=Path("/"))
    (found,) = problems(place)
    assert "belongs to something else" in found.what


def test_a_study_database_that_may_only_be_read(with_stores: Place) -> None:
    file = with_stores.root / "optuna.db"
    url = f"sqlite:///file:{file}?mode=ro&uri=true"
    place = Place(root=with_stores.root, study_url=url, work=with_stores.work, cache=Path("/"))
    (found,) = problems(place)
    assert "cannot be written" in found.what
    assert "readonly" in found.what


def test_a_url_that_is_none(with_stores: Place) -> None:
    place = Place(
        root=with_stores.root, study_url="nonsense", work=with_stores.work, cache=Path("/")
    )
    (found,) = problems(place)
    assert "expected a database URL" in found.what


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://127.0.0.1:9", "cannot reach the tracking server http://127.0.0.1:9"),
        ("./mlruns", "which MLflow no longer writes to"),
    ],
)
def test_a_tracking_store_that_is_away(
    uri: str, words: str, with_stores: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for repair in (False, True):
        (found,) = problems(with_stores, repair=repair)
        assert words in found.what


def test_artifacts_that_were_moved_away(
    with_stores: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TrackingStore.open(root=with_stores.root)
    gone = store.client.create_experiment("gone", artifact_location="/not/here/artifacts/gone")
    deleted = store.client.create_experiment("deleted", artifact_location=str(with_stores.root))
    store.client.delete_experiment(deleted)

    studies = [optuna.create_study() for _ in range(3)]
    for study, experiment_id in zip(studies, [gone, deleted, "99"], strict=True):
        study.set_user_attr("experiment_id", experiment_id)
    found = list(artifact_folders(store, studies))
    assert [one.level for one in found] == ["problem"] * 3
    assert "in /not/here/artifacts/gone, which is gone" in found[0].what
    assert f"mlflow experiments restore -x {deleted}" in (found[1].advice or "")
    assert "99" in found[2].what


def test_packages_are_held_to_what_is_required() -> None:
    requires = [
        "optuna>=99,<100",
        "no-such-package-at-all>=1",
        "pytest>=1",
        "torch>=1; extra == 'parity'",
    ]
    wrong, missing = environment.packages(requires)
    assert wrong.level == missing.level == "problem"
    assert "expected optuna<100,>=99" in wrong.what
    assert missing.what.startswith("no no-such-package-at-all is installed")
    (well,) = environment.packages(["optuna>=5"])
    assert well.level == "ok"
    assert "optuna 5" in well.what


def test_python_is_held_to_what_is_required() -> None:
    assert environment.python_version("3.12.1", wanted=">=3.11,<3.14").level == "ok"
    found = environment.python_version("3.10.4", wanted=">=3.11,<3.14")
    assert (found.level, found.what) == ("problem", "Python 3.10.4, expected >=3.11,<3.14")


@pytest.mark.parametrize(("value", "level"), [("2", "ok"), ("64", "warning"), ("many", "warning")])
def test_thread_variables_of_the_user(
    value: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in environment.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert [one.level for one in environment.threads(cores=2)] == ["ok"]
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    (found,) = environment.threads(cores=2)
    assert found.level == level
    assert f"OMP_NUM_THREADS={value}" in found.what


def test_a_disk_with_little_space(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (well,) = free_disk.look(place)
    monkeypatch.setattr(free_disk, "LEAST_BYTES", 10**18)
    (found,) = free_disk.look(place)
    assert found.level == "warning"
    assert found.what == well.what
