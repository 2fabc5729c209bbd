from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from finesweep.tracking import Provenance


def _git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1\n")
    _git(tmp_path, "add", "a.py")
    _git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def test_a_clean_checkout(checkout: Path) -> None:
    (checkout / "mlruns").mkdir()
    (checkout / "mlruns" / "untracked").write_text("x")
    found = Provenance.collect(checkout)
    assert found.commit == _git(checkout, "rev-parse", "HEAD")
    assert found.dirty is False
    assert found.as_tags()["mlflow.source.git.commit"] == found.commit
    assert found.as_tags()["finesweep.git.dirty"] == "false"


def test_a_changed_checkout(checkout: Path) -> None:
    (checkout / "a.py").write_text("2\n")
    assert Provenance.collect(checkout).dirty is True


def test_no_checkout(tmp_path: Path) -> None:
    found = Provenance.collect(tmp_path)
    assert (found.commit, found.dirty) == (None, None)
    assert not any("git" in tag for tag in found.as_tags())


def test_no_commit_yet(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q")
    assert Provenance.collect(tmp_path).commit is None


def test_no_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert Provenance.collect(checkout).commit is None


def test_versions_and_machine(tmp_path: Path) -> None:
    found = Provenance.collect(tmp_path)
    expected = {"finesweep", "tensorflow", "keras", "transformers", "mlflow", "optuna", "numpy"}
    assert expected <= set(found.versions)
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.cpus >= 1


def test_packages_are_not_imported() -> None:
    code = (
        "import sys; from finesweep.tracking import Provenance; Provenance.collect()\n"
        "print([n for n in ('tensorflow', 'keras', 'mlflow', 'optuna') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
