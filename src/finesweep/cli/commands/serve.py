"""``finesweep serve``: a registered model behind MLflow's scoring protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from finesweep.cli import options


def serve(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="models:/NAME/STAGE, or any MLflow model URI.")
    ],
    host: options.Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5001,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Answer POST /invocations with MLflow's payloads until Ctrl-C."""
    from finesweep.cli.console import notes
    from finesweep.cli.quiet import native_noise_kept_back
    from finesweep.registry import serve as serve_model
    from finesweep.tracking import TrackingStore

    def on_ready(url: str) -> None:
        console = notes()
        console.print(f"{model} answers at {url}/invocations; Ctrl-C ends it", soft_wrap=True)
        console.print(
            f"curl -s {url}/invocations -H 'Content-Type: application/json' "
            """-d '{"inputs": ["some text"]}'""",
            markup=False,
            soft_wrap=True,
        )

    notes().print(f"loading {model}")
    with native_noise_kept_back():
        serve_model(TrackingStore.open(), model, host=host, port=port, on_ready=on_ready)
