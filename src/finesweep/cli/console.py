"""Where output goes: results to standard output, progress and notes to standard error."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

# What the system says of a terminal that was closed.
_GONE = (errno.EIO, errno.ENXIO, errno.EBADF)

_PIPE_WIDTH = 140  # wide enough that a table in a log is not folded


def output() -> Console:
    """Standard output, for results."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return _ResultConsole(width=width, highlight=False, emoji=False)


def notes() -> Console:
    """Standard error, for progress and remarks."""
    width = None if sys.stderr.isatty() else _PIPE_WIDTH
    return _NoteConsole(stderr=True, width=width, highlight=False, emoji=False)


def tell(line: str) -> None:
    """A line of the result, on standard output; never folded, so that links can be copied."""
    output().print(line, markup=False, soft_wrap=True)


def note(line: str) -> None:
    """A remark on standard error."""
    notes().print(line, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on one line; not-a-number becomes null, which JSON can say."""
    try:
        sys.stdout.write(json.dumps(_finite(value), ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _end_quietly()


def command_name() -> str:
    """How the user calls finesweep: by name where it is on the PATH, else by its path."""
    called, found = Path(sys.argv[0]), shutil.which("finesweep")
    if called.name != "finesweep" or (found and Path(found).resolve() == called.resolve()):
        return "finesweep"
    return str(called)


class _ResultConsole(Console):
    """Ends the command well when the reader of its result (head, less) has seen enough."""

    def on_broken_pipe(self) -> None:
        _end_quietly()


class _NoteConsole(Console):
    """Falls silent when nobody reads standard error any more; a sweep goes on without."""

    def on_broken_pipe(self) -> None:
        _discard(sys.stderr.fileno())

    def _check_buffer(self) -> None:
        """Write what is to be written; a terminal that was closed is nobody reading, too."""
        try:
            super()._check_buffer()
        except OSError as exc:
            if exc.errno not in _GONE:
                raise
            _discard(sys.stderr.fileno())


def _end_quietly() -> None:
    _discard(sys.stdout.fileno())
    raise SystemExit(0)


def _discard(descriptor: int) -> None:
    """Send what is still to be written there to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
