"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finesweep.cli.state import set_debug

STORE_FOLDER = Path("mlruns")

Debug = Annotated[
    bool, typer.Option("--debug", callback=set_debug, help="Show the traceback of an error.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON value on standard output, for scripts.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key of the file; may be given repeatedly."
    ),
]
Study = Annotated[
    str | None,
    typer.Option(
        "--study",
        metavar="URL",
        envvar="FINESWEEP_STUDY",
        help="The database of studies; without it, mlruns/optuna.db in the working directory.",
    ),
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")]
Port = Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="The port to listen on.")]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="models:/NAME/STAGE, models:/NAME/VERSION, models:/NAME@ALIAS or runs:/RUN_ID/model.",
    ),
]


def examples(*lines: str) -> str:
    """The end of a command's help: calls as they are typed."""
    return "\b\n" + "\n".join(["Examples:", *(f"  finesweep {line}" for line in lines)])


def study_url(given: str | None) -> str:
    """The database URL of the studies: as given, else SQLite in the working directory's store."""
    return given or f"sqlite:///{(STORE_FOLDER / 'optuna.db').absolute()}"
