"""The command that opens the MLflow UI, and the link to the runs in question."""

from __future__ import annotations

from finesweep.cli.console import command_name, tell

DEFAULT_UI_PORT = 5000


def tell_where_to_look(
    experiment_id: str, *, sweep: str | None = None, sweep_run_id: str | None = None
) -> None:
    """Print ``finesweep ui`` and the link to follow; the link alone where a server has the store.

    With ``sweep_run_id`` the link shows the trials of the sweep called ``sweep`` and nothing else.
    """
    from finesweep.tracking import TrackingStore, run_link, ui_command

    command = ui_command(TrackingStore.open(), port=DEFAULT_UI_PORT)
    if command.argv:
        tell(f"look:      {command_name()} ui{f' {sweep}' if sweep else ''}")
    link = run_link(command.url, experiment_id, sweep_run_id=sweep_run_id)
    tell(f"           {link}" if command.argv else f"look:      {link}")
