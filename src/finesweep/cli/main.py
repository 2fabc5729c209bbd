"""The ``finesweep`` command: puts the commands together, and ends every error as it should."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from finesweep import __version__
from finesweep.cli import state
from finesweep.cli.commands import (
    checkpoint,
    data,
    doctor,
    models,
    predict,
    promote,
    register,
    run,
    serve,
    show,
    status,
    train,
    ui,
)
from finesweep.errors import EXIT_INTERRUPTED, FinesweepError, exit_code_of

_HELP = """Sweep hyperparameters for fine-tuning DistilBERT, and keep every trial on record.

\b
First steps:
  finesweep data check FILE         what the data holds
  finesweep run SWEEP.yaml --plan   what a sweep would do
  finesweep run SWEEP.yaml          do it; the same command goes on if it was stopped
  finesweep ui                      look at the runs in MLflow
  finesweep predict models:/NAME/STAGE "some text"

Each command says more: finesweep COMMAND --help.
"""


class _Commands(TyperGroup):
    """The commands; typer alone would end an interruption without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            _tell(error)
            raise typer.Exit(EXIT_INTERRUPTED) from error


app = typer.Typer(
    name="finesweep",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command(epilog=run.EXAMPLES)(run.run)
app.command(epilog=train.EXAMPLES)(train.train)
app.command()(show.show)
app.command()(status.status)
app.command("list")(show.list_sweeps)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(epilog=register.EXAMPLES)(register.register)
app.command(epilog=promote.EXAMPLES)(promote.promote)
app.command(epilog=models.EXAMPLES)(models.models)
app.command(epilog=predict.EXAMPLES)(predict.predict)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=ui.EXAMPLES)(ui.ui)
app.add_typer(data.app, name="data")
app.add_typer(checkpoint.app, name="checkpoint")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"finesweep {__version__}")
        raise typer.Exit


@app.callback(help=_HELP)
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """What holds for finesweep itself, whatever the command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's mistake, 130 interrupted."""
    _replace_closed_streams()
    # A character that the terminal's encoding lacks is shown as its escape, not as an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(args=list(arguments) if arguments is not None else None)
    except FinesweepError as error:
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


def _replace_closed_streams() -> None:
    """Python has None where a stream was closed (``>&-``); what is said there goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def _tell(error: BaseException) -> None:
    if state.debug:
        traceback.print_exc()
    if isinstance(error, FinesweepError):
        typer.echo(f"error: {error}", err=True)
    else:
        typer.echo(str(error) or "interrupted", err=True)
