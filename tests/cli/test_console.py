from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from finesweep.cli.console import command_name, note, print_json, tell


def test_json_is_one_line_that_json_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"loss": float("nan"), "best": (float("inf"), 0.5), "text": "Büro\n"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"loss": None, "best": [None, 0.5], "text": "Büro\n"}
    assert "Büro" in out


def test_lines_are_told_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold]http://host/" + "x" * 300 + " :smile:"
    tell(line)
    note(line)
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{line}\n", f"{line}\n")


def test_the_command_is_called_as_the_user_called_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "finesweep"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "run"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert command_name() == str(script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_name() == "finesweep"
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert command_name() == "finesweep"


@pytest.mark.parametrize("call", ["tell('x' * 100_000)", "print_json(['x' * 100_000])"])
def test_a_reader_of_the_result_may_leave(call: str) -> None:
    code = f"from finesweep.cli.console import tell, print_json\n{call}\nprint('not reached')"
    assert _with_a_closed_stream(code, descriptor=1) == (0, "")


def test_who_reads_the_notes_may_leave_and_the_work_goes_on() -> None:
    code = (
        "from finesweep.cli.console import note\n"
        "for _ in range(3): note('x' * 100_000)\n"
        "print('done')"
    )
    assert _with_a_closed_stream(code, descriptor=2) == (0, "done\n")


def _with_a_closed_stream(code: str, *, descriptor: int) -> tuple[int, str]:
    """The exit code of ``code`` and its other stream, when nobody reads the one at hand."""
    reader, writer = os.pipe()
    os.close(reader)
    streams = {1: subprocess.PIPE, 2: subprocess.PIPE} | {descriptor: writer}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=streams[1], stderr=streams[2], text=True
    )
    os.close(writer)
    out, err = process.communicate(timeout=30)
    return process.returncode, (err if descriptor == 1 else out)


CLOSED_TERMINAL = """
import sys, time
from finesweep.cli.console import note
note("before")
time.sleep(0.5)
for _ in range(3):
    note("the terminal is gone")
open(sys.argv[1], "w").write("went on")
"""


def test_a_terminal_that_was_closed_ends_nothing(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CLOSED_TERMINAL, str(tmp_path / "said")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=theirs,
    )
    os.close(theirs)
    assert os.read(ours, 100).startswith(b"before")
    os.close(ours)
    assert process.wait(timeout=30) == 0
    assert (tmp_path / "said").read_text() == "went on"
