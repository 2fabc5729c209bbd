"""One command that runs, and what it has said so far."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from scene import Scene

# Long enough for whatever is waited for, on a slow machine.
PATIENCE_SECONDS = 240.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Command:
    """The process, and where in the log its own words begin."""

    process: subprocess.Popen[bytes]
    log: Path
    begin: int

    @classmethod
    def start(
        cls,
        scene: Scene,
        name: str,
        *settings: str,
        workers: int = 2,
        log: Path | None = None,
        **variables: str,
    ) -> Command:
        """Run, or go on with, the sweep called ``name``."""
        log = log or scene.log(name)
        begin = log.stat().st_size if log.exists() else 0
        return cls(scene.start(name, *settings, workers=workers, log=log, **variables), log, begin)

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self.log.read_bytes()[self.begin :].decode()

    @property
    def last_line(self) -> str:
        """The last line of what it has said."""
        return self.said.strip().splitlines()[-1]

    def wait_for(self, *words: str, times: int = 1) -> None:
        """Wait until it has said all of these, each so many times; it must not end before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(self.said.count(word) < times for word in words):
            assert self.process.poll() is None, f"ended before it said {words}:\n{self.said}"
            assert time.monotonic() < deadline, f"never said {words}:\n{self.said}"
            time.sleep(LOOK_SECONDS)

    def end(self) -> int:
        """Wait until it ends by itself; its exit code."""
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"did not end:\n{self.said}") from None
