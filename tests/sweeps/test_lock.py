from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from finesweep.errors import StudyError
from finesweep.sweeps.lock import coordinator_lock, lock_path

HOLD = """
import sys, time
from pathlib import Path
from finesweep.sweeps.lock import coordinator_lock
with coordinator_lock(sys.argv[1], "s", workdir=Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(url: str, workdir: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url, str(workdir)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("url", ["sqlite:///{}/optuna.db", "postgresql://host/studies"])
def test_the_second_coordinator_is_told_who_the_first_is(url: str, tmp_path: Path) -> None:
    url = url.format(tmp_path)
    process = hold(url, tmp_path)
    try:
        with (
            pytest.raises(StudyError, match=rf"'s' is being run by process {process.pid} on "),
            coordinator_lock(url, "s", workdir=tmp_path),
        ):
            pytest.fail("two hold the lock")
        with coordinator_lock(url, "another", workdir=tmp_path):
            pass
    finally:
        process.kill()
        process.wait()


def test_a_killed_coordinator_lets_go(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    process = hold(url, tmp_path)
    process.kill()
    process.wait()
    started = time.monotonic()
    with coordinator_lock(url, "s", workdir=tmp_path):
        pass
    assert time.monotonic() - started < 10.0


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    with pytest.raises(RuntimeError, match="inside"), coordinator_lock(url, "s", workdir=tmp_path):
        raise RuntimeError("inside")
    with coordinator_lock(url, "s", workdir=tmp_path):
        pass


def test_the_lock_stands_next_to_the_database(tmp_path: Path) -> None:
    near = lock_path("sqlite:///here/optuna.db", "s", workdir=tmp_path)
    assert near == Path("here/optuna.db.s.lock")
    assert lock_path("postgresql://host/db", "s", workdir=tmp_path) == tmp_path / "s.lock"


def test_the_lock_of_a_sqlite_uri_stands_beside_its_file(tmp_path: Path) -> None:
    url = f"sqlite:///file:{tmp_path}/optuna.db?mode=rw&uri=true"
    assert lock_path(url, "s", workdir=tmp_path / "work") == tmp_path / "optuna.db.s.lock"


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    url = f"sqlite:///{tmp_path}/file/optuna.db"
    with (
        pytest.raises(
            StudyError, match=r"cannot write .*, the lock of the sweep 's' \(File exists"
        ),
        coordinator_lock(url, "s", workdir=tmp_path),
    ):
        pytest.fail("the lock was taken")


def test_an_error_of_the_sweep_is_not_blamed_on_the_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    with pytest.raises(PermissionError), coordinator_lock(url, "s", workdir=tmp_path):
        raise PermissionError(13, "Permission denied", "elsewhere")
    with coordinator_lock(url, "s", workdir=tmp_path):
        pass


def test_the_holder_may_sign_a_moment_after_it_has_taken_the_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    process = hold(url, tmp_path)
    signature = tmp_path / "optuna.db.s.holder"
    signed = signature.read_text()
    # As another one, killed since, left it.
    signature.write_text(signed.replace(f'"pid": {process.pid}', '"pid": 4194305'))
    threading.Timer(0.5, signature.write_text, [signed]).start()
    try:
        with (
            pytest.raises(StudyError, match=rf"'s' is being run by process {process.pid} on "),
            coordinator_lock(url, "s", workdir=tmp_path),
        ):
            pytest.fail("two hold the lock")
    finally:
        process.kill()
        process.wait()
