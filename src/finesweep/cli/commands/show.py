"""``finesweep show`` and ``finesweep list``: sweeps as the study remembers them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from finesweep.cli import options


def show(
    sweep: Annotated[
        str, typer.Argument(metavar="SWEEP", help="The sweep's name; 'finesweep list' shows all.")
    ],
    study: options.Study = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Show a sweep's trials, as far as it has come.

    Works while the sweep runs, from another terminal.
    """
    from finesweep.cli.console import output, print_json, tell
    from finesweep.cli.links import tell_where_to_look
    from finesweep.cli.tables import trials_table
    from finesweep.sweeps import load_result

    result = load_result(options.study_url(study), sweep)
    if as_json:
        print_json(asdict(result))
        return
    console = output()
    console.print(trials_table(result, width=console.width))
    tell(f"state:     {result.stopped_by}")
    for report in result.warm_start:
        tell(f"warm start: {report}")
    if result.run_id:  # a sweep that was stopped at once has none yet
        tell_where_to_look(result.experiment_id, sweep=sweep, sweep_run_id=result.run_id)


def list_sweeps(
    study: options.Study = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """List the sweeps of the study database."""
    from finesweep.cli.console import output, print_json
    from finesweep.cli.tables import studies_table
    from finesweep.sweeps import list_studies

    studies = list_studies(options.study_url(study))
    if as_json:
        print_json([asdict(summary) for summary in studies])
    else:
        console = output()
        console.print(studies_table(studies, width=console.width))
