"""``finesweep models``: what is registered, and what was in a stage when."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from finesweep.cli import options
from finesweep.errors import UserError


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One model only.")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Every move between stages, with its date.")
    ] = False,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"],
            help="What was in --stage of NAME at this moment (UTC).",
        ),
    ] = None,
    stage: Annotated[str, typer.Option(help="The stage that --at asks about.")] = "Production",
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """List registered models; or tell which version was in a stage when."""
    if at is not None or history:
        if name is None:
            raise UserError("--history and --at are about one model; name it: models NAME --at …")
        if at is not None:
            _print_version_at(name, stage, at.replace(tzinfo=UTC), as_json=as_json)
        else:
            _print_history(name, as_json=as_json)
        return
    _print_versions(name, as_json=as_json)


def _print_versions(name: str | None, *, as_json: bool) -> None:
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


def _print_history(name: str, *, as_json: bool) -> None:
    from finesweep.cli.console import output, print_json
    from finesweep.cli.tables import history_table
    from finesweep.registry import stage_history
    from finesweep.tracking import TrackingStore

    changes = stage_history(TrackingStore.open(), name)
    if as_json:
        print_json([{**asdict(change), "at": change.at.isoformat()} for change in changes])
    else:
        output().print(history_table(changes))


def _print_version_at(name: str, stage: str, moment: datetime, *, as_json: bool) -> None:
    from finesweep.cli.console import output, print_json
    from finesweep.registry import version_in_stage
    from finesweep.tracking import TrackingStore

    version = version_in_stage(TrackingStore.open(), name, stage, at=moment)
    if as_json:
        print_json({"name": name, "stage": stage, "at": moment.isoformat(), "version": version})
        return
    what = "no version" if version is None else f"version {version}"
    output().print(f"{name}: {what} was in {stage} at {moment:%Y-%m-%d %H:%M} UTC", markup=False)
