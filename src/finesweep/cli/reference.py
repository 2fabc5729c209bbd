"""The page ``docs/cli.md``, written from the commands' own help.

``python -m finesweep.cli.reference > docs/cli.md`` brings it up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from finesweep.cli.main import app

_WIDTH = 80

_PREFACE = """\
# The command line

Written by `python -m finesweep.cli.reference` from the commands' own `--help`; a test keeps it up
to date.

**Output.** Results go to standard output; progress and remarks go to standard error, as a live
display on a terminal and as plain lines in a pipe or a log. With `--json` standard output holds
exactly one JSON value on one line; a number that is not finite is `null`. `NO_COLOR` and
`TERM=dumb` are honoured.

**Exit codes.**

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | the sweep, or the command, failed |
| 2 | a mistake in a file, an option or the data: one line says where, and what was expected |
| 130 | interrupted by Ctrl-C, SIGTERM or SIGHUP; the same command goes on |

**Environment variables.**

| variable | meaning |
| --- | --- |
| `MLFLOW_TRACKING_URI` | the store of runs and models; else `mlruns/` in the working directory |
| `FINESWEEP_STUDY` | the database of studies, as `--study` |
| `FINESWEEP_CACHE` | where checkpoints and tokenised data are kept; else `~/.cache/finesweep` |
| `OMP_NUM_THREADS`, `TF_NUM_INTRAOP_THREADS`, `TF_NUM_INTEROP_THREADS` | the threads a worker \
computes with, where set |
| `TF_ENABLE_ONEDNN_OPTS` | 0: workers compute without oneDNN on processors where TensorFlow \
would leave it off (AVX2 and no more), though they are slower without |
"""


def reference() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_PREFACE, *_sections(typer.main.get_command(app), "finesweep", parent=None)])


def _sections(command: Any, name: str, *, parent: Any) -> Iterator[str]:
    """A section for a command, and one for each command of a group."""
    context = typer.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH)
    path = context.command_path
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {path}\n\n```text\n" + "\n".join(lines) + "\n```\n"
    for child, subcommand in getattr(command, "commands", {}).items():
        yield from _sections(subcommand, child, parent=context)


if __name__ == "__main__":
    sys.stdout.write(reference())
