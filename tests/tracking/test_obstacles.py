from __future__ import annotations

import errno

import pytest
import requests

from finesweep.errors import DiskFullError, TrackingError
from finesweep.tracking.mlflow_access import import_mlflow
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


def test_a_bug_is_no_obstacle() -> None:
    assert obstacle_of(KeyError("x")) is None
