"""What is wrong around a command: the hub, the disk, the stores, the shell it is started from.

As with bad input: one line that says what is wrong and what to do, exit code 2, nothing
half-written.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import Hub, running_hub
from place import AS_READ_ONLY, CLOSED, Place, make_place, refused, sweep
from workplace import Said, Workplace, command

from finesweep.tracking import TrackingStore

ONE_TRIAL = ("trials=1", "enqueue=[]", "space={epochs: {choices: [1]}}", "register=null")


@pytest.fixture
def place(workplace: Workplace, texts: list[dict[str, str]], tmp_path: Path) -> Place:
    """A place of one test's own."""
    return make_place(workplace, texts, beside=tmp_path)


@pytest.fixture
def hub() -> Iterator[tuple[type[Hub], str]]:
    """A hub that can be told what to answer, and its address."""
    with running_hub() as hub:
        yield hub


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "RepoNotFound", ("the hub has no model 'acme/tiny'", "check the spelling")),
        (401, "RepoNotFound", ("the hub has no model 'acme/tiny'", "set HF_TOKEN")),
        (401, "", ("answered 401 Unauthorized", "check HF_TOKEN")),
        (403, "GatedRepo", ("accepted its terms", "set HF_TOKEN")),
        (503, "", ("answered 503", "try again later")),
        (200, "", ("could not be asked", "packaged:minilm-l6-h384")),  # a hotel's log-in page
    ],
)
def test_a_hub_that_does_not_give_it(
    place: Place, hub: tuple[type[Hub], str], status: int, code: str, words: tuple[str, ...]
) -> None:
    handler, address = hub
    handler.status, handler.code = status, code
    command = sweep("experiment.model.checkpoint=acme/tiny")
    said = place.run(*command, HF_ENDPOINT=address)
    refused(place, said, place.content(), "field 'checkpoint'", *words)
    if status == 404:
        handler.files = {
            file.name: file.read_bytes() for file in (place.folder / "checkpoint").iterdir()
        }
        planned = place.run(*command, "--plan", HF_ENDPOINT=address)
        assert planned.code == 0, planned.err


def test_no_network(place: Place) -> None:
    said = place.run(*sweep("experiment.model.checkpoint=acme/tiny"))
    words = ("field 'checkpoint'", "the hub cannot be reached", "packaged:minilm-l6-h384")
    refused(place, said, place.content(), *words)
    url = f"http://127.0.0.1:{CLOSED}/rows.csv"
    said = place.run("train", "experiment.yaml", "--set", f"data.path={url}")
    refused(place, said, place.content(), url, "cannot be reached", "--set data.path=FILE")


@pytest.fixture(scope="module")
def can_mount(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whether a folder can be made read-only for one command here."""
    folder = str(tmp_path_factory.mktemp("mount"))
    if (
        not shutil.which("unshare")
        or subprocess.run(
            [*AS_READ_ONLY, folder, "true"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("namespaces of mounts are not permitted here")


@pytest.mark.usefixtures("can_mount")
def test_a_read_only_mlruns(place: Place) -> None:
    before = place.content()
    said = place.run_read_only(place.folder, *sweep())
    refused(place, said, before, str(place.folder), "writ")
    (place.folder / "mlruns").mkdir()
    before = place.content()
    for arguments in (sweep(), ("train", "experiment.yaml")):
        said = place.run_read_only(place.folder / "mlruns", *arguments)
        refused(place, said, before, str(place.folder / "mlruns"), "writ")


def test_an_mlruns_that_is_a_file(place: Place) -> None:
    (place.folder / "mlruns").write_text("")
    before = place.content()
    for arguments in (("run", "sweep.yaml"), ("train", "experiment.yaml")):
        refused(place, place.run(*arguments), before, "mlruns", "found a file", "move it away")


def test_a_cache_that_cannot_be_made(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = place.run("run", "sweep.yaml", FINESWEEP_CACHE=str(tmp_path / "file" / "cache"))
    refused(place, said, place.content(), "file/cache", "cannot write", "FINESWEEP_CACHE")
    assert place.run("run", "sweep.yaml", "--plan").code == 0


def test_a_port_in_use_and_a_host_that_is_not_ours(place: Place) -> None:
    TrackingStore.open(root=place.workplace.directory / "mlruns")
    before = place.content()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments in (("ui",), ("serve", "models:/tiny/1")):
            said = place.run(*arguments, "--port", port)
            refused(place, said, before, f"127.0.0.1:{port}", "in use", "--port")
    said = place.run("ui", "--host", "300.1.2.3")
    refused(place, said, before, "300.1.2.3", "--host")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("nonsense", ("MLFLOW_TRACKING_URI is 'nonsense'", "sqlite:////absolute")),
        (f"http://127.0.0.1:{CLOSED}", ("cannot reach the tracking server", "start it")),
    ],
)
def test_a_tracking_store_that_is_none(place: Place, uri: str, words: tuple[str, ...]) -> None:
    said = place.run("train", "experiment.yaml", MLFLOW_TRACKING_URI=uri)
    refused(place, said, place.content(), *words)


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ("nonsense", ("expected a database URL", "'nonsense'")),
        ("redis://host/0", ("redis://host/0", "SQLite, PostgreSQL or MySQL")),
        ("sqlite:///sweep.yaml/optuna.db", ("sweep.yaml", "found a file", "another database")),
        ("sqlite:///experiment.yaml", ("experiment.yaml", "no SQLite database", "move it away")),
    ],
)
def test_a_study_database_that_is_none(place: Place, study: str, words: tuple[str, ...]) -> None:
    said = place.run("run", "sweep.yaml", FINESWEEP_STUDY=study)
    refused(place, said, place.content(), *words)


@pytest.mark.parametrize(
    ("made_by", "words"),
    [
        ("v2.6.0.a", ("optuna storage upgrade --storage 'sqlite:///",)),
        ("v99.0.0.a", ("install the version that made it",)),
    ],
)
def test_a_study_database_of_another_optuna(
    place: Place, made_by: str, words: tuple[str, ...]
) -> None:
    import optuna

    file = place.folder / "mlruns" / "optuna.db"
    file.parent.mkdir()
    optuna.create_study(storage=f"sqlite:///{file}", study_name="theirs")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (made_by,))
    before = place.content()
    for arguments in (sweep(), ("list",)):
        said = place.run(*arguments)
        refused(place, said, before, str(file), "another version of Optuna", *words, "--study")


@pytest.mark.slow
def test_once_the_study_database_is_moved_away_the_sweep_runs(place: Place) -> None:
    """The mistake that is told last, right before a sweep begins."""
    file = place.folder / "mlruns" / "optuna.db"
    file.parent.mkdir()
    file.write_bytes(b"no database" * 999)
    before = place.content()
    said = place.run(*sweep(*ONE_TRIAL))
    refused(place, said, before, str(file), "no SQLite database", "move it away")
    file.unlink()
    said = place.run(*sweep(*ONE_TRIAL))
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    "arguments",
    [
        sweep("experiment.data.path=data/none.json"),
        sweep("experiment.model.checkpoint=./data"),
        sweep("experiment.model.checkpoint=acme/tiny"),
        (*sweep(), "--study", "nonsense"),
    ],
    ids=["data", "checkpoint", "hub", "study"],
)
def test_debug_shows_where_it_was_found(place: Place, arguments: tuple[str, ...]) -> None:
    said = place.run(*arguments, "--debug")
    assert said.code == 2
    assert "Traceback (most recent call last)" in said.err
    assert said.err.splitlines()[-1].startswith("error: ")


def through(place: Place, line: str, *arguments: str) -> Said:
    """Run a command through a line of shell."""
    done = subprocess.run(
        ["sh", "-c", line, "sh", *command(), *arguments],
        cwd=place.folder,
        env=place.workplace.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_a_standard_output_that_is_closed(place: Place) -> None:
    said = through(place, 'exec "$@" >&-', "data", "check", "data/some rows.json")
    assert (said.code, said.err) == (0, "")
    assert through(place, 'exec "$@" >&- 2>&-', "run", "no.yaml").code == 2


def test_a_user_without_a_home(place: Place) -> None:
    check = ("data", "check", "data/some rows.json")
    said = place.run(*check, HOME="", XDG_CACHE_HOME="", FINESWEEP_CACHE="~no.such.user/cache")
    refused(place, said, place.content(), "no home folder", "FINESWEEP_CACHE")
