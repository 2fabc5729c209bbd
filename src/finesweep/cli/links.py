"""The command that opens the MLflow UI, and the link to the runs in question."""

from __future__ import annotations

from finesweep.cli.console import command_name

DEFAULT_UI_PORT = 5000


def ui_hint(experiment_id: str, sweep_run_id: str | None = None) -> str:
    """``finesweep ui``, then the link to follow; just the link where a server shows the store."""
    from finesweep.tracking import TrackingStore, run_link, ui_command

    command = ui_command(TrackingStore.open(), port=DEFAULT_UI_PORT)
    link = run_link(command.url, experiment_id, sweep_run_id=sweep_run_id)
    return f"{command_name()} ui   then open   {link}" if command.argv else link
