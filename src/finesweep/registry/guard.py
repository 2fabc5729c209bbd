"""What stands in front of MLflow's scoring application: limits, and errors of one line."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from finesweep.registry.payload import problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

DEFAULT_BODY_LIMIT = 10 * 1024 * 1024  # bytes; some 50,000 headlines


class BodyTooLargeError(Exception):
    """The client sent more than the limit."""


class ServingGuard:
    """An ASGI application around another one.

    MLflow's application reads bodies of any size, fails with 500 where a Content-Type is missing,
    and answers a failed prediction with the whole input and a traceback. Here a body over the limit
    is a 413, a missing Content-Type a 415, a missing text a 400 in every payload, and every error a
    JSON object with ``error_code`` and a ``message`` of one line.
    """

    def __init__(self, app: Application, *, body_limit: int) -> None:
        self._app = app
        self._body_limit = body_limit

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        content_type = _header(scope, b"content-type")
        if scope["method"] == "POST" and content_type is None:
            message = "expected a Content-Type; send application/json or text/csv"
            await _answer(send, 415, "BAD_REQUEST", message)
            return
        try:
            body = await self._body(scope, receive)
        except BodyTooLargeError:
            message = (
                f"expected a body of at most {self._body_limit} bytes; send fewer texts at once"
            )
            await _answer(send, 413, "BAD_REQUEST", message)
            return
        if scope["path"] == "/invocations" and (content_type or b"").startswith(
            b"application/json"
        ):
            wrong = problem(body)
            if wrong is not None:
                await _answer(send, 400, "INVALID_PARAMETER_VALUE", wrong)
                return
        await self._forward(scope, body, receive=receive, send=send)

    async def _body(self, scope: Message, receive: Receive) -> bytes:
        declared = _header(scope, b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > self._body_limit:
            raise BodyTooLargeError
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._body_limit:
                raise BodyTooLargeError
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _forward(self, scope: Message, body: bytes, *, receive: Receive, send: Send) -> None:
        """Let MLflow answer; hold an error back until it is whole, to say it in one line."""
        start: Message = {}
        error_body: list[bytes] = []

        unread = [body]

        async def replayed() -> Message:
            # After the body only the client's leaving is news, and that the server tells.
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return await receive()

        async def filtered(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            if start.get("status", 200) < 400:
                await send(message)
            elif message["type"] == "http.response.body":
                error_body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    code, text = _in_one_line(b"".join(error_body))
                    await _answer(send, int(start["status"]), code, text)

        await self._app(scope, replayed, filtered)


def _header(scope: Message, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key.lower() == name), None)


def _in_one_line(body: bytes) -> tuple[str, str]:
    """MLflow's error code, and of its message the part that says what is wrong."""
    text = body.decode("utf-8", "replace")
    code = "BAD_REQUEST"
    try:
        error = json.loads(text)
        code, text = str(error["error_code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        pass
    # "Failed to predict data '<all of it>'. \nError: <what is wrong>", and so on inwards.
    text = text.rpartition("Error: ")[2].partition(" IMPORTANT: ")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[0] if lines else "the request failed"
    return code, line if len(line) <= 500 else line[:497] + "..."


async def _answer(send: Send, status: int, code: str, message: str) -> None:
    body = json.dumps({"error_code": code, "message": message}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
