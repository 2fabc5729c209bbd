from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from finesweep.data.download import fetch
from finesweep.data.sources import read_source
from finesweep.errors import DataError

BODY = b'[{"headline": "a", "is_sarcastic": 1}]' * 10_000
DIGEST = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/data.json")
            self.end_headers()
            return
        if self.path.startswith("/silent"):
            threading.Event().wait(1.0)
            return
        if self.path.startswith("/garbage"):
            self.wfile.write(b"what?\r\n\r\n")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2] if self.path.startswith("/cut") else BODY)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def message(url: str, folder: Path, *, sha256: str | None = None, timeout: float = 5.0) -> str:
    with pytest.raises(DataError) as caught:
        fetch(url, sha256=sha256, folder=folder, timeout=timeout)
    assert not any(folder.glob("*")), "nothing may be left of a download that failed"
    return str(caught.value)


def test_a_file_is_downloaded_once_and_verified(server: str, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    url = f"{server}/data.json"
    for _ in range(2):
        path = fetch(url, sha256=DIGEST, folder=tmp_path, progress=lambda *step: told.append(step))
        assert path.read_bytes() == BODY
    assert Handler.requests == ["/data.json"]
    assert told[-1] == ("downloading the data", len(BODY), len(BODY))
    assert len(told) > 1


def test_a_copy_belongs_to_the_url_and_the_hash(server: str, tmp_path: Path) -> None:
    first = fetch(f"{server}/data.json", sha256=None, folder=tmp_path)
    second = fetch(f"{server}/data.json", sha256=DIGEST, folder=tmp_path)
    third = fetch(f"{server}/data.json?other", sha256=None, folder=tmp_path)
    assert len({first, second, third}) == 3


def test_a_damaged_copy_is_fetched_again(server: str, tmp_path: Path) -> None:
    path = fetch(f"{server}/data.json", sha256=DIGEST, folder=tmp_path)
    path.write_bytes(BODY[:-1])
    assert fetch(f"{server}/data.json", sha256=DIGEST, folder=tmp_path).read_bytes() == BODY


def test_many_at_once_leave_one_whole_file(server: str, tmp_path: Path) -> None:
    def get(_: int) -> Path:
        return fetch(f"{server}/data.json", sha256=DIGEST, folder=tmp_path)

    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(get, range(4)))
    assert [path.read_bytes() for path in paths] == [BODY]
    assert list(tmp_path.iterdir()) == list(paths)


def test_a_redirect_is_followed(server: str, tmp_path: Path) -> None:
    assert fetch(f"{server}/moved", sha256=DIGEST, folder=tmp_path).read_bytes() == BODY


def test_every_failure_says_what_to_do(server: str, tmp_path: Path) -> None:
    by_hand = "Or fetch the file by other means and name it: --set data.path=FILE"
    url = f"{server}/missing.json"
    text = message(url, tmp_path)
    assert text.startswith(f"{url}: the server answered 404 Not Found; check the address.")
    assert by_hand in text

    half = f"{len(BODY) // 2:,} of {len(BODY):,} bytes"
    text = message(f"{server}/cut.json", tmp_path)
    assert f"the download stopped early: {half}; try again. {by_hand}" in text

    text = message(f"{server}/data.json", tmp_path, sha256="0" * 64)
    assert f"expected the bytes with SHA-256 {'0' * 64}, the server sent {DIGEST}" in text
    assert "field 'sha256'" in text
    assert by_hand in text

    text = message(f"{server}/silent", tmp_path, timeout=0.2)
    assert "the server sent nothing for 0.2 seconds; try again." in text

    assert "the download broke off" in message(f"{server}/garbage", tmp_path)
    assert "the download broke off" in message("http://127.0.0.1:port/x", tmp_path)
    assert "the server cannot be reached" in message("http://127.0.0.1:9/x", tmp_path)
    assert "the server cannot be reached" in message("http://name.invalid/x", tmp_path)


def test_an_unwritable_cache_is_said_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DataError, match="cannot write to the cache folder"):
        fetch("http://127.0.0.1:9/x", sha256=None, folder=blocked)


def test_the_suffix_of_the_url_tells_the_format(server: str, tmp_path: Path) -> None:
    source = read_source(f"{server}/data.json?alt=media", cache=tmp_path)
    assert (source.suffix, source.digest) == (".json", DIGEST)
    assert source.name == f"{server}/data.json?alt=media"
