"""``finesweep models``: what is registered, and what was in a stage when."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from finesweep.cli import options


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One model only.")] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """List registered models with their versions, stages and aliases."""
    from finesweep.cli.console import notes, output, print_json
    from finesweep.cli.tables import versions_table
    from finesweep.registry import list_versions
    from finesweep.tracking import TrackingStore

    versions = list_versions(TrackingStore.open(), name)
    if as_json:
        print_json([asdict(version) for version in versions])
    elif versions:
        output().print(versions_table(versions))
    else:
        notes().print("no model is registered yet; 'finesweep register SWEEP --name N' makes one")
