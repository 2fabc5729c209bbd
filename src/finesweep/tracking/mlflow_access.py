"""The one door to MLflow: imports it silent, and turns what it raises into one of our errors."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from finesweep.errors import DiskFullError, FinesweepError, TrackingError
from finesweep.tracking.full_disk import is_full_disk

# Read by MLflow while it is imported; a user who sets them himself is left alone.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

# What SQLAlchemy writes above the error of the database.
_SAYS_NOTHING = "(raised as a result of Query-invoked autoflush"


def quiet_environment() -> dict[str, str]:
    """The environment of this process with MLflow's telemetry and chatter off; for a subprocess."""
    return {**_ENVIRONMENT, **os.environ}


def import_mlflow(module: str = "mlflow") -> Any:
    """Import MLflow (1-2 s the first time), or one module of it, so that it prints nothing."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # It writes a whole traceback for a locked database, which is raised as well.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    with quiet_warnings():
        return import_module(module)


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Hide the warnings MLflow raises about itself (stages, type hints, its own dependencies)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def translated(
    attempt: str, *, into: type[FinesweepError] = TrackingError, hint: str = ""
) -> Iterator[None]:
    """Raise ``into`` for what MLflow, its database or the file system raises inside.

    ``attempt`` completes "cannot …"; ``hint`` says what to do next. A full disk of this machine
    is a ``DiskFullError``, whatever ``into`` is.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as exc:
        if is_full_disk(exc):
            raise DiskFullError(
                f"cannot {attempt}: no space is left on the disk; free some and run the same "
                "command: it goes on with what is on record"
            ) from exc
        advice = f"; {hint}" if hint else ""
        raise into(f"cannot {attempt}: {one_line(exc)}{advice}") from exc


def one_line(exc: BaseException) -> str:
    """The first telling line of an exception's message, without SQL, advice or a traceback."""
    text = getattr(exc, "message", None) or str(exc)
    if "failed with exception" in text or "failed with timeout exception" in text:
        # A request that never got an answer; the reason lies several libraries down.
        text = _innermost(exc)
    lines = (line.strip() for line in str(text).splitlines())
    telling = (line for line in lines if line and not line.startswith(_SAYS_NOTHING))
    line = next(telling, type(exc).__name__)
    return line if len(line) <= 300 else line[:297] + "..."


def _innermost(exc: BaseException) -> str:
    while (inner := exc.__cause__ or exc.__context__ or _told_in_arguments(exc)) is not None:
        exc = inner
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)


def _told_in_arguments(exc: BaseException) -> BaseException | None:
    """What urllib3 hands on as ``ProtocolError("Connection aborted.", error)``."""
    return next((told for told in exc.args if isinstance(told, BaseException)), None)
