from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from finesweep.training import machine_code
from finesweep.training.machine_code import compiled


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "two.c"
    file.write_text("int two(void) { return 2; }\n")
    return file


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def a_compiler(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = folder / "cc"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return file


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_library_outlives_its_file(source: Path, temporary: Path) -> None:
    library = compiled(source)
    assert library is not None
    assert library.two() == 2
    assert not list(temporary.iterdir())


def test_no_compiler_is_nothing_to_speak_of(
    source: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert compiled(source) is None
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'in two.c:' >&2; echo 'two.c:1: no such option' >&2; exit 1", "no such option"),
        ("exit 3", "it ended with status 3"),
        ("exec sleep 60", "timed out"),
        ("exit 0", "cannot open shared object file"),
    ],
)
def test_what_cannot_be_compiled_says_why(
    source: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    script: str,
    why: str,
) -> None:
    sleep = Path(shutil.which("sleep") or "")
    cc = a_compiler(source.parent, script.replace("sleep", str(sleep)), monkeypatch)
    monkeypatch.setattr(machine_code, "_SECONDS", 1.0)
    assert compiled(source) is None
    said = capfd.readouterr().out
    assert said.startswith(f"two.c: expected {cc} to compile it, received: ")
    assert why in said
    assert not list(temporary.iterdir())
