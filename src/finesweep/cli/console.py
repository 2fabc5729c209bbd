"""Where output goes: results to standard output, progress and notes to standard error."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

_PIPE_WIDTH = 140  # wide enough that a table in a log is not folded


def output() -> Console:
    """Standard output, for results."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)


def notes() -> Console:
    """Standard error, for progress and remarks."""
    width = None if sys.stderr.isatty() else _PIPE_WIDTH
    return Console(stderr=True, width=width, highlight=False)


def print_json(value: Any) -> None:
    """One JSON value on one line; not-a-number becomes null, which JSON can say."""
    sys.stdout.write(json.dumps(_finite(value), ensure_ascii=False) + "\n")


def command_name() -> str:
    """How the user calls finesweep: by name where it is on the PATH, else by its path."""
    called, found = Path(sys.argv[0]), shutil.which("finesweep")
    if called.name != "finesweep" or (found and Path(found).resolve() == called.resolve()):
        return "finesweep"
    return str(called)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
