"""``finesweep promote``: move a version to a stage, its alias with it."""

from __future__ import annotations

from typing import Annotated

import typer

from finesweep.cli import options


def promote(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The registered model.")],
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1)],
    stage: Annotated[
        str, typer.Argument(metavar="STAGE", help="Staging, Production, Archived or None.")
    ],
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Move a version to a stage; the one that was there is archived."""
    from finesweep.cli.versions import print_version
    from finesweep.registry import promote as promote_version
    from finesweep.tracking import TrackingStore

    moved = promote_version(TrackingStore.open(), name, version, stage)
    print_version(moved, as_json=as_json)
