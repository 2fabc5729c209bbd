from __future__ import annotations

from pathlib import Path

import pytest

from finesweep import __version__
from finesweep.cli import options, state
from finesweep.cli.main import main
from finesweep.errors import InterruptedSweep, StudyError


@pytest.fixture(autouse=True)
def _no_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "debug", False)


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def study_url(_: str | None) -> str:
        raise error

    monkeypatch.setattr(options, "study_url", study_url)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"finesweep {__version__}\n"


def test_a_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, StudyError("expected [this]"))
    assert exit_code("list") == 2
    assert capsys.readouterr().err == "error: expected [this]\n"


def test_an_interruption_says_what_comes_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, InterruptedSweep("the same command goes on"))
    assert exit_code("list") == 130
    assert capsys.readouterr().err == "the same command goes on\n"
    raising(monkeypatch, KeyboardInterrupt())
    assert exit_code("list", "--debug") == 130
    assert capsys.readouterr().err.endswith("KeyboardInterrupt\ninterrupted\n")


def test_a_bug_is_told_apart_from_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, ZeroDivisionError("oops"))
    assert exit_code("list") == 1
    told = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in told
    assert "a bug in finesweep" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "models:/topics/Production", "some text"),
        ("serve", "models:/topics/Production"),
        ("promote", "topics", "1", "Production"),
        ("register", "topics", "--name", "topics"),
        ("models",),
    ],
)
def test_a_command_in_the_wrong_folder_says_so_and_leaves_nothing(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: there is no ")
    assert list(tmp_path.iterdir()) == []
