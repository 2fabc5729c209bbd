"""``finesweep serve``: a registered model behind MLflow's scoring protocol."""

from __future__ import annotations

from finesweep.cli import options

EXAMPLES = options.examples("serve models:/headlines/Production --port 8000")


def serve(
    model: options.Model,
    host: options.Host = "127.0.0.1",
    port: options.Port = 5001,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Serve a model over HTTP until Ctrl-C.

    POST /invocations takes MLflow's payloads; GET /ping says whether the model is ready.
    """
    from finesweep.cli.console import note
    from finesweep.cli.quiet import native_noise_kept_back
    from finesweep.registry import serve as serve_model
    from finesweep.tracking import TrackingStore

    def on_ready(url: str) -> None:
        note(f"{model} answers at {url}/invocations; Ctrl-C ends it")
        note(
            f"curl -s {url}/invocations -H 'Content-Type: application/json' "
            """-d '{"inputs": ["some text"]}'"""
        )

    store = TrackingStore.open(create=False)
    note(f"loading {model}")
    with native_noise_kept_back():
        serve_model(store, model, host=host, port=port, on_ready=on_ready)
