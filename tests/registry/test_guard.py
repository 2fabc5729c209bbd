"""The guard alone, around an application that answers what the test wants."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from finesweep.registry.guard import Message, Receive, Send, ServingGuard

JSON = ("content-type", "application/json")


class Inner:
    """Stands for MLflow's application: reads the body, answers with one response."""

    def __init__(self, status: int = 200, body: bytes = b"{}") -> None:
        self.status, self.body = status, body
        self.received: bytes | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.received = (await receive())["body"]
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        half = len(self.body) // 2
        await send({"type": "http.response.body", "body": self.body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": self.body[half:]})


def _ask(
    inner: Inner, *parts: bytes, headers: tuple[tuple[str, str], ...] = (JSON,), limit: int = 100
) -> tuple[int, bytes]:
    """POST the parts of a body to the guarded application."""
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/invocations",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(ServingGuard(inner, body_limit=limit)(scope, receive, send))
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


def _message(body: bytes) -> str:
    assert body.count(b"\n") == 0
    return str(json.loads(body)["message"])


def test_a_good_request_passes_whole() -> None:
    inner = Inner(body=b'{"predictions": []}')
    assert _ask(inner, b'{"inputs"', b": []}") == (200, b'{"predictions": []}')
    assert inner.received == b'{"inputs": []}'


def test_a_body_that_is_declared_too_large_is_not_read() -> None:
    inner = Inner()
    status, body = _ask(inner, b"x", headers=(JSON, ("content-length", "101")))
    assert (status, inner.received) == (413, None)
    assert _message(body) == "expected a body of at most 100 bytes; send fewer texts at once"


def test_a_body_that_grows_too_large() -> None:
    inner = Inner()
    status, _ = _ask(inner, b"x" * 60, b"x" * 60)
    assert (status, inner.received) == (413, None)


def test_a_missing_content_type() -> None:
    status, body = _ask(Inner(), b"{}", headers=())
    assert status == 415
    assert _message(body) == "expected a Content-Type; send application/json or text/csv"


def test_a_null_never_reaches_the_model() -> None:
    inner = Inner()
    status, body = _ask(inner, b'{"inputs": ["a", null]}')
    assert (status, inner.received) == (400, None)
    assert _message(body) == "row 2: expected a text, received null"


def test_csv_is_left_to_mlflow() -> None:
    inner = Inner()
    assert _ask(inner, b"text\na\n", headers=(("content-type", "text/csv"),))[0] == 200


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            json.dumps(
                {
                    "error_code": "INVALID_PARAMETER_VALUE",
                    "message": "Failed to predict data 'x'. \nError: row 1: no text\nmore",
                    "stack_trace": "Traceback (most recent call last):\n ...",
                }
            ),
            "INVALID_PARAMETER_VALUE",
            "row 1: no text",
        ),
        ("The scoring server only supports UTF-8", "BAD_REQUEST", "The scoring server only sup"),
        ("Wrong. IMPORTANT: read this page", "BAD_REQUEST", "Wrong."),
        ("", "BAD_REQUEST", "the request failed"),
        ("x" * 2000, "BAD_REQUEST", "xxx"),
    ],
)
def test_an_error_is_one_line(body: str, code: str, message: str) -> None:
    status, answer = _ask(Inner(400, body.encode()), b'{"inputs": []}')
    assert status == 400
    assert json.loads(answer)["error_code"] == code
    assert _message(answer).startswith(message)
    assert len(_message(answer)) <= 500
    assert b"Traceback" not in answer
