"""The two commands that go on until they are stopped."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import urllib.request
from typing import Any

import pytest
from workplace import Swept, Workplace


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(process: subprocess.Popen[str], stream: Any, pattern: str) -> str:
    for line in stream:
        if found := re.search(pattern, line):
            return found[0]
    pytest.fail(f"ended with {process.wait()} before it said {pattern}")


def answer(url: str, payload: Any = None) -> Any:
    data = None if payload is None else json.dumps(payload).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read().decode()


def stop(workplace: Workplace, process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert workplace.left_processes() == []
    process.communicate()


@pytest.mark.slow
def test_serve_answers_until_it_is_stopped(swept: Swept) -> None:
    port = free_port()
    process = swept.workplace.start("serve", "models:/tiny/1", "--port", str(port))
    url = wait_for(process, process.stderr, rf"http://127.0.0.1:{port}/invocations")
    answers = json.loads(answer(url, {"inputs": ["great sun", "bad storm"]}))["predictions"]
    assert [set(row) for row in answers] == [
        {"label", "score", "probability_bad", "probability_good"}
    ] * 2
    assert "answers" not in answer(f"http://127.0.0.1:{port}/ping")
    swept.workplace.run("serve", "models:/tiny/1", "--port", str(port)).is_refused("--port")
    stop(swept.workplace, process)


@pytest.mark.slow
def test_ui_prints_links_that_answer_until_it_is_stopped(swept: Swept) -> None:
    port = free_port()
    process = swept.workplace.start("ui", "--port", str(port))
    link = wait_for(process, process.stdout, r"small: http://\S+")
    assert f"127.0.0.1:{port}/#/experiments/" in link
    assert "workflowType=machine_learning" in link
    assert "<html" in answer(f"http://127.0.0.1:{port}/")
    stop(swept.workplace, process)


@pytest.mark.parametrize("command", [("ui",), ("serve", "models:/tiny/1")])
def test_a_port_in_use_is_told_at_once(swept: Swept, command: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        swept.workplace.run(*command, "--port", port).is_refused(port, "--port")
