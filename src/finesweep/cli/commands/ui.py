"""``finesweep ui``: the MLflow UI on the store in use, started lean."""

from __future__ import annotations

from typing import Annotated

import typer

from finesweep.cli import options
from finesweep.cli.links import DEFAULT_UI_PORT
from finesweep.errors import StudyError

EXAMPLES = options.examples("ui", "ui headlines-lr-batch --port 8080")


def ui(
    sweep: Annotated[
        str | None, typer.Argument(metavar="SWEEP", help="Link to this sweep's trials only.")
    ] = None,
    host: options.Host = "127.0.0.1",
    port: options.Port = DEFAULT_UI_PORT,
    study: options.Study = None,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Start the MLflow UI, with links to the sweeps.

    It runs until Ctrl-C. Where MLFLOW_TRACKING_URI names a server, that server's links are
    printed.
    """
    from finesweep.cli.console import note, tell
    from finesweep.sweeps import load_result
    from finesweep.tracking import TrackingStore, run_link, serve_ui

    url = options.study_url(study)
    names = [sweep] if sweep else _sweeps_there_are(url)
    results = [load_result(url, name) for name in names]
    store = TrackingStore.open()

    def on_ready(base: str) -> None:
        tell(f"MLflow UI: {base}   (Ctrl-C ends it)")
        for result in results:
            if result.run_id:  # a sweep that was stopped at once has none yet
                link = run_link(base, result.experiment_id, sweep_run_id=result.run_id)
                tell(f"{result.study_name}: {link}")

    note("starting the MLflow UI")
    serve_ui(store, host=host, port=port, on_ready=on_ready)


def _sweeps_there_are(study: str) -> list[str]:
    """The names of all sweeps; none where single trainings alone were run."""
    from finesweep.cli.console import note
    from finesweep.sweeps import list_studies

    try:
        return [summary.name for summary in list_studies(study) if summary.total is not None]
    except StudyError as error:
        note(f"no sweep to link to: {error}")
        return []
