"""What stands in the way of a delivery: the store, this one run, or the entry itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from finesweep.errors import DiskFullError, FinesweepError, TrackingError
from finesweep.tracking.full_disk import is_full_disk
from finesweep.tracking.mlflow_access import one_line
from finesweep.tracking.store import without_credentials

# away: the store takes nothing from anybody; trouble: it answers, but will not take this now;
# refused: it will never take this.
Kind = Literal["away", "trouble", "refused"]

_AWAY = frozenset(
    {
        "TEMPORARILY_UNAVAILABLE",  # also a database that is locked, or whose disk is full
        "DEADLINE_EXCEEDED",
        "REQUEST_LIMIT_EXCEEDED",
        "RESOURCE_EXHAUSTED",
    }
)
_REFUSED = frozenset(
    {
        "ALREADY_EXISTS",
        "INVALID_PARAMETER_VALUE",  # also any write to a run that was deleted
        "NOT_FOUND",
        "NOT_IMPLEMENTED",
        "RESOURCE_ALREADY_EXISTS",
        "RESOURCE_DOES_NOT_EXIST",
    }
)
# Answers of an artifact store that a new login, a pause or another server would change.
_PASSING_STATUS = frozenset({401, 403, 407, 408, 425, 429})
_AWAY_STATUS = frozenset({408, 425, 429, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why something could not be delivered, in one line.

    ``disk_is_full`` is about a disk of this machine; only somebody who frees some helps there.
    """

    kind: Kind
    reason: str
    disk_is_full: bool = False


def obstacle_of(exc: Exception) -> Obstacle | None:
    """What ``exc``, raised by a delivery, says about it; None when it is a bug of ours.

    In doubt an entry is kept: wrong passwords, folders that may not be written to and answers of a
    proxy can all be put right while the sweep goes on.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    kind: Kind
    if isinstance(exc, DiskFullError) or is_full_disk(exc):
        return Obstacle(kind="away", reason="no space is left on the disk", disk_is_full=True)
    if isinstance(exc, TrackingError):
        kind = "refused"
    elif isinstance(exc, MlflowException):
        kind = _kind_of_answer(exc.error_code) or _kind_of_request(exc)
    elif isinstance(exc, (OSError, SQLAlchemyError)):
        kind = _kind_of_request(exc)
    else:
        return None
    return Obstacle(kind=kind, reason=without_credentials(one_line(exc)))


def passing_obstacle(error: FinesweepError) -> Obstacle | None:
    """What raised ``error``, if it may be over soon: a server that restarts, a locked database."""
    cause = error.__cause__
    obstacle = obstacle_of(cause) if isinstance(cause, Exception) else None
    return None if obstacle is None or obstacle.kind == "refused" else obstacle


def _kind_of_answer(error_code: str) -> Kind | None:
    if error_code in _AWAY:
        return "away"
    return "refused" if error_code in _REFUSED else None


def _kind_of_request(exc: BaseException) -> Kind:
    """For a request without an answer of MLflow's own; what happened may lie libraries deep."""
    import requests

    inner: BaseException | None = exc
    while inner is not None:
        if isinstance(inner, requests.HTTPError) and inner.response is not None:
            return _kind_of_status(inner.response.status_code)
        if isinstance(inner, requests.exceptions.RetryError):
            # The status is in its text alone: "too many 503 error responses".
            status = re.search(r"too many (\d{3}) error", str(inner))
            return _kind_of_status(int(status[1])) if status else "away"
        if isinstance(inner, (requests.ConnectionError, requests.Timeout, ConnectionError)):
            return "away"
        inner = inner.__cause__ or inner.__context__
    return "trouble"


def _kind_of_status(status: int) -> Kind:
    if status in _AWAY_STATUS:
        return "away"
    return "refused" if 400 <= status < 500 and status not in _PASSING_STATUS else "trouble"
