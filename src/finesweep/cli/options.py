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
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value, for scripts.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the file; repeatable."),
]
Study = Annotated[
    str | None,
    typer.Option(
        "--study",
        metavar="URL",
        envvar="FINESWEEP_STUDY",
        help="The study database; by default mlruns/optuna.db.",
    ),
]
Host = Annotated[str, typer.Option(help="The address to listen on.")]


def study_url(given: str | None) -> str:
    """The database URL of the studies: as given, else SQLite in the working directory's store."""
    return given or f"sqlite:///{(STORE_FOLDER / 'optuna.db').absolute()}"
