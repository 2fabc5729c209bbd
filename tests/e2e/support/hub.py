"""A small model hub on this machine, which can be told what to answer."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a hub as a download needs; while it has no ``files``, it answers ``status``."""

    status = 404
    code = "RepoNotFound"
    files: dict[str, bytes] = {}  # noqa: RUF012 - a hub of its own is a subclass with its own

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1]
        content = b""
        if "/api/models/acme/tiny/tree/" in path:
            rows = [
                {"type": "file", "path": name, "size": len(data), "oid": name}
                for name, data in self.files.items()
            ]
            content = json.dumps(rows).encode()
        elif "/api/models/acme/tiny" in path:
            content = json.dumps({"id": "acme/tiny", "sha": COMMIT, "siblings": []}).encode()
        elif self.files:
            content = self.files.get(name, b"")
        self.send_response(200 if self.files else self.status)
        if not self.files:
            content = b""
            self.send_header("X-Error-Code", self.code)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running_hub() -> Iterator[tuple[type[Hub], str]]:
    """A hub of its own, and its address."""
    handler = type("OwnHub", (Hub,), {"files": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
