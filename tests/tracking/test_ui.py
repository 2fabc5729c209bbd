from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import replace

import psutil
import pytest

from finesweep.errors import TrackingError
from finesweep.tracking import TrackingStore, run_link, serve_ui, ui_command
from finesweep.tracking.ports import check_port, shown_host


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_command_is_lean(store: TrackingStore) -> None:
    command = ui_command(store, host="0.0.0.0", port=5050)
    line = " ".join(command.argv)
    assert f"--backend-store-uri {store.uri}" in line
    assert f"--default-artifact-root {store.artifact_root}" in line
    assert "--workers 1" in line
    assert "--no-serve-artifacts" in line
    assert command.env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert command.url == "http://127.0.0.1:5050"


def test_a_server_is_its_own_ui(store: TrackingStore) -> None:
    remote = replace(store, uri="https://me:secret@mlflow.example.org/", root=None)
    command = ui_command(remote)
    assert (command.argv, command.url) == ((), "https://mlflow.example.org")
    told: list[str] = []
    serve_ui(remote, on_ready=told.append)
    assert told == ["https://mlflow.example.org"]


def test_links() -> None:
    table = run_link("http://127.0.0.1:5000/", "3")
    assert table == "http://127.0.0.1:5000/#/experiments/3/runs?workflowType=machine_learning"
    assert run_link("http://h", "3", sweep_run_id="abc") == (
        "http://h/#/experiments/3/runs?workflowType=machine_learning"
        "&searchFilter=tags.%60mlflow.parentRunId%60%20%3D%20%27abc%27"
        "&orderByKey=metrics.%60val%2Faccuracy%60&orderByAsc=false"
    )


def test_a_port_in_use(store: TrackingStore, free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with pytest.raises(TrackingError, match=rf"cannot listen on 127.0.0.1:{free_port}.*--port"):
            serve_ui(store, port=free_port, on_ready=pytest.fail)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none(port: int) -> None:
    with pytest.raises(TrackingError, match="expected a port between 1 and 65535"):
        check_port("127.0.0.1", port)


def test_a_host_that_is_not_ours() -> None:
    with pytest.raises(TrackingError, match="cannot listen on no.such.host.invalid"):
        check_port("no.such.host.invalid", 5000)


def test_shown_host() -> None:
    assert [shown_host(host) for host in ("0.0.0.0", "::", "::1", "gpu7")] == [
        "127.0.0.1",
        "[::1]",
        "[::1]",
        "gpu7",
    ]


@pytest.mark.slow
def test_the_ui_answers_and_ends_whole(store: TrackingStore, free_port: int) -> None:
    code = (
        "from pathlib import Path; from finesweep.tracking import TrackingStore, serve_ui\n"
        f"store = TrackingStore.open(root=Path({str(store.root)!r}))\n"
        f"serve_ui(store, port={free_port}, on_ready=lambda url: print(url, flush=True))\n"
        "print('ended')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url == f"http://127.0.0.1:{free_port}"
    with urllib.request.urlopen(url) as page:
        assert b"<title>MLflow</title>" in page.read()
    children = psutil.Process(process.pid).children(recursive=True)
    assert 1 <= len(children) <= 4
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (out.strip(), process.returncode) == ("ended", 0)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
