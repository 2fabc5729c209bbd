"""``finesweep ui``: the MLflow UI on the store in use, started lean."""

from __future__ import annotations

from typing import Annotated

import typer

from finesweep.cli import options
from finesweep.cli.links import DEFAULT_UI_PORT


def ui(
    sweep: Annotated[
        str | None, typer.Argument(metavar="[SWEEP]", help="Link to this sweep's runs.")
    ] = None,
    host: options.Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = DEFAULT_UI_PORT,
    study: options.Study = None,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Start the MLflow UI and print the links to the sweeps' tables of runs; Ctrl-C ends it."""
    from finesweep.cli.console import notes, output
    from finesweep.sweeps import list_studies, load_result
    from finesweep.tracking import TrackingStore, run_link, serve_ui

    url = options.study_url(study)
    names = [sweep] if sweep else [summary.name for summary in list_studies(url)]
    results = [load_result(url, name) for name in names]
    store = TrackingStore.open()

    def on_ready(base: str) -> None:
        console = output()
        console.print(f"MLflow UI: {base}   (Ctrl-C ends it)")
        for result in results:
            link = run_link(base, result.experiment_id, sweep_run_id=result.run_id)
            console.print(f"{result.study_name}: {link}", soft_wrap=True, markup=False)

    notes().print("starting the MLflow UI")
    serve_ui(store, host=host, port=port, on_ready=on_ready)
