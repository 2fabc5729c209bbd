"""``finesweep models``: what is registered, and what was in a stage when."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from finesweep.cli import options
from finesweep.errors import UserError

EXAMPLES = options.examples(
    "models",
    "models headlines --history",
    "models headlines --stage Production --at 2026-03-01",
)


def models(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One model only.")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Every move between stages, with its date.")
    ] = False,
    at: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"],
            help="What was in --stage then: 2026-03-01 or 2026-03-01T14:30, UTC.",
        ),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(metavar="STAGE", help="With --at: the stage asked about, else Production."),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """List registered models, or what was in a stage when."""
    if stage is not None and at is None:
        raise UserError("--stage goes with --at TIME; --history shows every move between stages")
    if at is not None and history:
        raise UserError("expected --history or --at, received both")
    if (at is not None or history) and name is None:
        raise UserError("--history and --at are about one model; name it: finesweep models NAME …")
    if at is not None:
        _print_version_at(str(name), stage or "Production", at.replace(tzinfo=UTC), as_json=as_json)
    elif history:
        _print_history(str(name), as_json=as_json)
    else:
        _print_versions(name, as_json=as_json)


def _print_versions(name: str | None, *, as_json: bool) -> None:
    from finesweep.cli.console import note, output, print_json
    from finesweep.cli.tables import versions_table
    from finesweep.registry import list_versions
    from finesweep.registry.versions import unknown_model
    from finesweep.tracking import TrackingStore

    store = TrackingStore.open(create=False)
    versions = list_versions(store, name)
    if name is not None and not versions:
        raise unknown_model(store, name)
    if as_json:
        print_json([asdict(version) for version in versions])
    elif versions:
        console = output()
        console.print(versions_table(versions, width=console.width))
    else:
        note("no model is registered yet; 'finesweep register SWEEP --name NAME' makes one")


def _print_history(name: str, *, as_json: bool) -> None:
    from finesweep.cli.console import output, print_json
    from finesweep.cli.tables import history_table
    from finesweep.registry import stage_history
    from finesweep.tracking import TrackingStore

    changes = stage_history(TrackingStore.open(create=False), name)
    if as_json:
        print_json([{**asdict(change), "at": change.at.isoformat()} for change in changes])
    else:
        console = output()
        console.print(history_table(changes, width=console.width))


def _print_version_at(name: str, stage: str, moment: datetime, *, as_json: bool) -> None:
    from finesweep.cli.console import print_json, tell
    from finesweep.registry import version_in_stage
    from finesweep.tracking import TrackingStore

    version = version_in_stage(TrackingStore.open(create=False), name, stage, at=moment)
    if as_json:
        print_json({"name": name, "stage": stage, "at": moment.isoformat(), "version": version})
        return
    what = "no version" if version is None else f"version {version}"
    tell(f"{name}: {what} was in {stage} at {moment:%Y-%m-%d %H:%M} UTC")
