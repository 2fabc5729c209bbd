"""MLflow's own UI on the store in use, started lean, and links into it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from urllib.parse import quote

from finesweep.errors import TrackingError
from finesweep.tracking.mlflow_access import quiet_environment
from finesweep.tracking.ports import check_port, shown_host
from finesweep.tracking.store import DEFAULT_ROOT, TrackingStore

_START_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class UiCommand:
    """How to start the UI, and where it answers.

    ``argv`` is empty when the store is a server: its UI runs already, at ``url``. ``env`` holds
    the variables to set beside those already there.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    url: str


def ui_command(store: TrackingStore, *, host: str = "127.0.0.1", port: int = 5000) -> UiCommand:
    """The command that shows ``store`` on ``host:port`` with two processes instead of fifteen."""
    if store.uri.startswith("http"):
        return UiCommand(argv=(), env={}, url=store.address.rstrip("/"))
    artifacts = store.artifact_root or DEFAULT_ROOT.absolute() / "artifacts"
    argv = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    argv += ["--workers", "1", "--backend-store-uri", store.uri]
    argv += ["--no-serve-artifacts", "--default-artifact-root", str(artifacts)]
    # MLflow's job runner is a second server with workers of its own; no page we link to needs it.
    env = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return UiCommand(argv=tuple(argv), env=env, url=f"http://{shown_host(host)}:{port}")


def run_link(base_url: str, experiment_id: str, *, sweep_run_id: str | None = None) -> str:
    """The link to an experiment's table of runs; with ``sweep_run_id``, to that sweep's trials.

    Without ``workflowType`` a fresh browser would open the page for language-model applications;
    sorted by date, which is the default, the trials would be folded away under the sweep's own run.
    """
    link = f"{base_url.rstrip('/')}/#/experiments/{experiment_id}/runs"
    link += "?workflowType=machine_learning"
    if sweep_run_id is not None:
        link += "&searchFilter=" + quote(f"tags.`mlflow.parentRunId` = '{sweep_run_id}'", safe="")
        link += "&orderByKey=" + quote("metrics.`val/accuracy`", safe="") + "&orderByAsc=false"
    return link


def serve_ui(
    store: TrackingStore,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    on_ready: Callable[[str], None],
) -> None:
    """Run the UI until Ctrl-C or SIGTERM; ``on_ready`` gets its URL once it answers.

    On a store that is a server, ``on_ready`` gets the server's URL and the call returns. Call it
    from the main thread.

    Raises:
        TrackingError: the port is taken, or the UI ended or did not answer.
    """
    command = ui_command(store, host=host, port=port)
    if not command.argv:
        on_ready(command.url)
        return
    check_port(host, port)
    before = signal.signal(signal.SIGTERM, _interrupt)
    # Its own session: Ctrl-C reaches us alone, and ending the group leaves no worker behind.
    process = subprocess.Popen(
        command.argv,
        env={**quiet_environment(), **command.env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_it_answers(process, command)
        on_ready(command.url)
        code = process.wait()
        raise TrackingError(f"the UI ended by itself with exit code {code}; start it again")
    except KeyboardInterrupt:
        return
    finally:
        _end(process)
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_until_it_answers(process: subprocess.Popen[bytes], command: UiCommand) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise TrackingError(
                f"the UI ended with exit code {process.returncode} before it answered; run "
                f"'{shlex.join(command.argv)}' to see why"
            )
        try:
            with urllib.request.urlopen(f"{command.url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TrackingError(
        f"the UI did not answer at {command.url} within {_START_SECONDS} s; try again"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the UI and its workers: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=5)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()
