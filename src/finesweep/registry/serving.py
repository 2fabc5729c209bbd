"""A registered model as a web service that speaks MLflow's scoring protocol."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from finesweep.errors import RegistryError
from finesweep.registry.guard import DEFAULT_BODY_LIMIT, ServingGuard
from finesweep.registry.prediction import find_files, load
from finesweep.tracking.mlflow_access import import_mlflow
from finesweep.tracking.ports import check_port, shown_host
from finesweep.tracking.store import TrackingStore


def serve(
    store: TrackingStore,
    model_uri: str,
    *,
    host: str = "127.0.0.1",
    port: int = 5001,
    body_limit: int = DEFAULT_BODY_LIMIT,
    on_ready: Callable[[str], None],
) -> None:
    """Answer ``POST /invocations`` until Ctrl-C or SIGTERM; one process, several threads.

    It is MLflow's own scoring application, so that whoever talks to ``mlflow models serve`` can
    talk to it, behind a guard: bodies over ``body_limit`` bytes are refused, and an error is one
    line. ``on_ready`` gets the service's URL once the model is loaded and warm. The model that the
    URI names when serving starts is the one served until it ends.

    Raises:
        RegistryError: the port is taken, or the model cannot be found or loaded.
    """
    check_port(host, port, error=RegistryError)
    find_files(store, model_uri)  # a misspelt name is told before TensorFlow is loaded
    model = load(store, model_uri)
    model.frame(["The first call compiles; no user should wait for it."])
    scoring_server: Any = import_mlflow("mlflow.pyfunc.scoring_server")
    app = ServingGuard(scoring_server.init(model.pyfunc), body_limit=body_limit)
    _run(app, host=host, port=port, on_ready=on_ready)


def _run(app: Any, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    import uvicorn

    url = f"http://{shown_host(host)}:{port}"

    class Server(uvicorn.Server):
        """Says when it listens."""

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                on_ready(url)

    config = uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False)
    # uvicorn shuts down in order at a signal and then raises it again for us: without a handler of
    # ours, SIGTERM would end the process as if it had been killed.
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if in_main_thread else None
    try:
        Server(config).run()
    except KeyboardInterrupt:
        return
    except SystemExit as exc:
        # Another process took the port while the model was loading.
        raise RegistryError(f"cannot listen on {host}:{port}; choose another with --port") from exc
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
