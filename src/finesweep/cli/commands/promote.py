"""``finesweep promote``: move a version to a stage, its alias with it."""

from __future__ import annotations

from typing import Annotated

import typer

from finesweep.cli import options

EXAMPLES = options.examples("promote headlines 3 Production")


def promote(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The registered model.")],
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Its number.")],
    stage: Annotated[
        str, typer.Argument(metavar="STAGE", help="Staging, Production, Archived or None.")
    ],
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Move a version of a model to a stage.

    The version that was in Staging or Production before is archived, and the alias of the same
    name moves along.
    """
    from finesweep.cli.versions import print_version
    from finesweep.registry import promote as promote_version
    from finesweep.tracking import TrackingStore

    moved = promote_version(TrackingStore.open(create=False), name, version, stage)
    print_version(moved, as_json=as_json)
