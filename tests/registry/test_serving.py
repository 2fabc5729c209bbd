"""The service as a user starts it: a process, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from finesweep.errors import RegistryError
from finesweep.registry import register, serve
from finesweep.tracking import TrackingStore

MakeRun = Callable[[], str]
PAYLOADS: list[dict[str, Any]] = [
    {"dataframe_split": {"columns": ["text"], "data": [["the cat"], ["a dog"]]}},
    {"dataframe_records": [{"text": "the cat"}, {"text": "a dog"}]},
    {"instances": ["the cat", "a dog"]},
    {"instances": [{"text": "the cat"}, {"text": "a dog"}]},
    {"inputs": ["the cat", "a dog"]},
    {"inputs": {"text": ["the cat", "a dog"]}},
]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _post(port: int, body: bytes, *, headers: dict[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", "/invocations")
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def _check_payloads(port: int) -> None:
    answers = [
        _post(port, json.dumps(payload).encode(), headers={"Content-Type": "application/json"})
        for payload in PAYLOADS
    ]
    for status, answer in answers:
        assert status == 200
        assert answer == answers[0][1]
    first = answers[0][1]["predictions"][0]
    assert set(first) == {
        "label",
        "score",
        "probability_plain",
        "probability_satire",
        "probability_other",
    }


@contextmanager
def _running(*argv: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        argv,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_what_is_told_before_anything_is_loaded(store: TrackingStore, free_port: int) -> None:
    with pytest.raises(RegistryError, match="no model 'headlines' is registered"):
        serve(store, "models:/headlines/Staging", port=free_port, on_ready=pytest.fail)
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with pytest.raises(RegistryError, match=f"cannot listen on 127.0.0.1:{free_port}"):
            serve(store, "models:/headlines/Staging", port=free_port, on_ready=pytest.fail)


@pytest.mark.slow
def test_our_service(store: TrackingStore, finished_run: MakeRun, free_port: int) -> None:
    register(store, finished_run(), name="headlines", stage="Staging")
    code = (
        "from pathlib import Path; from finesweep.tracking import TrackingStore\n"
        "from finesweep.registry import serve\n"
        f"serve(TrackingStore.open(root=Path({str(store.root)!r})), 'models:/headlines/Staging', "
        f"port={free_port}, body_limit=2000, on_ready=lambda url: print(url, flush=True))\n"
        "print('ended')\n"
    )
    as_json = {"Content-Type": "application/json"}
    with _running(sys.executable, "-c", code, env={"TF_CPP_MIN_LOG_LEVEL": "3"}) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        assert next(line for line in lines if line.startswith("http")).strip() == (
            f"http://127.0.0.1:{free_port}"
        )
        _check_payloads(free_port)
        status, answer = _post(free_port, b"text\nthe cat\n", headers={"Content-Type": "text/csv"})
        assert (status, len(answer["predictions"])) == (200, 1)
        split = b'{"dataframe_split": {"columns": ["text"], "data": [["a"], [null]]}}'
        assert _post(free_port, split, headers=as_json) == (
            400,
            {
                "error_code": "INVALID_PARAMETER_VALUE",
                "message": "row 2: expected a text, received nothing",
            },
        )
        assert _post(free_port, b"{}" + b" " * 3000, headers=as_json)[0] == 413
        assert _post(free_port, b"{}", headers={})[0] == 415
        process.send_signal(signal.SIGTERM)
        rest = "".join(lines)
        process.wait(timeout=30)
        assert (rest.strip(), process.returncode) == ("ended", 0)


@pytest.mark.slow
def test_mlflows_own_service(store: TrackingStore, finished_run: MakeRun, free_port: int) -> None:
    register(store, finished_run(), name="headlines", stage="Staging")
    argv = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/headlines/Staging"]
    argv += ["--env-manager", "local", "--port", str(free_port)]
    folder = os.path.dirname(sys.executable)  # noqa: PTH120
    env = {
        "MLFLOW_TRACKING_URI": store.uri,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
    }
    with _running(*argv, env=env) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert process.poll() is None
            try:
                http.client.HTTPConnection("127.0.0.1", free_port).request("GET", "/ping")
                break
            except OSError:
                time.sleep(0.5)
        _check_payloads(free_port)
