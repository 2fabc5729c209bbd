from __future__ import annotations

import errno
import socket
import threading

import pytest
import requests

from finesweep.errors import DiskFullError, TrackingError
from finesweep.tracking.mlflow_access import import_mlflow, one_line
from finesweep.tracking.obstacles import obstacle_of


def _answer(code: str) -> Exception:
    raised: Exception = import_mlflow("mlflow.exceptions").RestException(
        {"error_code": code, "message": "so it is"}
    )
    return raised


def _status(status: int) -> Exception:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} it is", response=response)


def _request(cause: Exception) -> Exception:
    """As MLflow's ``http_request`` reports what happened to it."""
    raised: Exception = import_mlflow("mlflow.exceptions").MlflowException(
        f"API request to http://me:secret@host/api failed with exception {cause}"
    )
    raised.__context__ = cause
    return raised


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (_answer("TEMPORARILY_UNAVAILABLE"), "away"),
        (_answer("REQUEST_LIMIT_EXCEEDED"), "away"),
        (_answer("RESOURCE_DOES_NOT_EXIST"), "refused"),
        (_answer("INVALID_PARAMETER_VALUE"), "refused"),
        (_answer("INTERNAL_ERROR"), "trouble"),
        (_answer("PERMISSION_DENIED"), "trouble"),
        (_answer("BAD_REQUEST"), "trouble"),
        (_request(requests.ConnectionError("Connection refused")), "away"),
        (_request(requests.ReadTimeout("timed out")), "away"),
        (_request(requests.exceptions.RetryError("too many 503 error responses")), "away"),
        (_request(requests.exceptions.RetryError("too many 500 error responses")), "trouble"),
        (_status(413), "refused"),
        (_status(401), "trouble"),
        (_status(504), "away"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "away"),
        (PermissionError(errno.EACCES, "Permission denied"), "trouble"),
        (TrackingError("the model is gone"), "refused"),
        (DiskFullError("no space"), "away"),
    ],
)
def test_whose_fault_it_is(exc: Exception, kind: str) -> None:
    obstacle = obstacle_of(exc)
    assert obstacle is not None
    assert obstacle.kind == kind
    assert obstacle.reason
    assert "\n" not in obstacle.reason
    assert "secret" not in obstacle.reason


def test_a_full_disk_of_this_machine_is_told_apart() -> None:
    here = obstacle_of(OSError(errno.ENOSPC, "No space left on device"))
    at_the_server = obstacle_of(_answer("TEMPORARILY_UNAVAILABLE"))
    assert here is not None
    assert at_the_server is not None
    assert (here.kind, here.disk_is_full) == ("away", True)
    assert (at_the_server.kind, at_the_server.disk_is_full) == ("away", False)


def test_the_reason_is_the_one_at_the_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is killed while it has a request, through all of MLflow's libraries."""
    client = import_mlflow().MlflowClient(tracking_uri=_hangs_up())
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Exception, match="failed with exception") as raised:
        client.get_run("a")
    obstacle = obstacle_of(raised.value)
    assert obstacle is not None
    assert obstacle.reason == "Remote end closed connection without response"
    assert obstacle.kind == "away"


def _hangs_up() -> str:
    """The address of a server that takes one request, and closes the connection."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(1000)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_what_sqlalchemy_writes_above_the_error_is_passed_over() -> None:
    flush = "(raised as a result of Query-invoked autoflush; consider using a no_autoflush block)"
    error = import_mlflow("mlflow.exceptions").MlflowException(f"{flush}\n(sqlite3.Error) locked\n")
    assert one_line(error) == "(sqlite3.Error) locked"


def test_a_bug_is_no_obstacle() -> None:
    assert obstacle_of(KeyError("x")) is None
