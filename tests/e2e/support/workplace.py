"""A place to run the installed command in, and what it said."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest


def command() -> list[str]:
    """The installed console script, or the function it calls."""
    script = Path(sys.executable).with_name("finesweep")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "from finesweep.cli.main import main; main()"]


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value that is all of standard output."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    def is_refused(self, *words: str) -> None:
        """The user's mistake: exit code 2, and one line that has all of ``words``."""
        assert self.code == 2, self.err
        assert "Traceback" not in self.err
        line = self.err.strip().splitlines()[-1]
        assert line.startswith("error: "), self.err
        assert [word for word in words if word not in line] == [], line


@dataclass(frozen=True)
class Workplace:
    """A working directory and an environment to run the command in."""

    directory: Path
    environment: dict[str, str]
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start the command in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [*command(), *arguments],
            cwd=self.directory,
            env={**self.environment, "FINESWEEP_E2E": self.mark, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def run(self, *arguments: str, **variables: str) -> Said:
        """Run the command to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=240)
        return Said(process.returncode, out, err)

    def left_processes(self, *, grace: float = 3.0) -> list[str]:
        """What still runs of the commands started here, after ``grace`` seconds to end."""
        deadline = time.monotonic() + grace
        while (left := self._running()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def _running(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("FINESWEEP_E2E") == self.mark:
                    found.append(" ".join(process.cmdline()))
        return found


def stop_when(
    process: subprocess.Popen[str], said: Callable[[str], bool], number: signal.Signals
) -> tuple[str, str]:
    """Signal the whole process group once a line of its standard error is as wanted."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if said(line):
            break
    else:
        pytest.fail("the command ended before that: " + "".join(lines))
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    return out, "".join(lines) + err


@dataclass(frozen=True)
class Swept:
    """A workplace in which the sweep was run once, and what was said."""

    workplace: Workplace
    said: Said
