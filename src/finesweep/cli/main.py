"""The ``finesweep`` command: puts the commands together, and ends every error as it should."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from finesweep import __version__
from finesweep.cli import state
from finesweep.cli.commands import (
    checkpoint,
    data,
    models,
    predict,
    promote,
    register,
    run,
    serve,
    show,
    train,
    ui,
)
from finesweep.errors import FinesweepError, exit_code_of

app = typer.Typer(
    name="finesweep",
    help="Sweep hyperparameters for fine-tuning DistilBERT, and keep every trial on record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command()(run.run)
app.command()(train.train)
app.command()(show.show)
app.command("list")(show.list_sweeps)
app.command()(register.register)
app.command()(promote.promote)
app.command()(models.models)
app.command()(predict.predict)
app.command()(serve.serve)
app.command()(ui.ui)
app.add_typer(data.app, name="data")
app.add_typer(checkpoint.app, name="checkpoint")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"finesweep {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Sweep hyperparameters for fine-tuning DistilBERT, and keep every trial on record."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's mistake, 130 interrupted."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except BrokenPipeError:
        # The reader of our output (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (FinesweepError, KeyboardInterrupt) as error:
        _tell(error)
        sys.exit(exit_code_of(error))
    except Exception as error:
        traceback.print_exc()
        typer.echo(
            "\nThis is a bug in finesweep, not a mistake of yours; please report it with the lines "
            "above.",
            err=True,
        )
        sys.exit(exit_code_of(error))


def _tell(error: BaseException) -> None:
    if state.debug:
        traceback.print_exc()
    if isinstance(error, FinesweepError):
        typer.echo(f"error: {error}", err=True)
    else:
        typer.echo(str(error) or "interrupted", err=True)
