"""The tracking store: where runs and artifacts are kept, opened so that nothing can race."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from finesweep.errors import TrackingError
from finesweep.tracking.mlflow_access import import_mlflow, quiet_warnings, translated

TRACKING_URI_VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT_ROOT = Path("mlruns")
_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# The first use of a database creates its tables, which takes seconds; a second process waits.
_INITIALISATION_SECONDS = 120
_FIRST_ANSWER_SECONDS = 5
# MLflow reads both at every request.
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


def future_artifact_root() -> Path | None:
    """Where a store would put artifacts that is opened now; None where a server decides."""
    uri = os.environ.get(TRACKING_URI_VARIABLE, "").strip()
    if not uri:
        return DEFAULT_ROOT.absolute() / "artifacts"
    if _scheme(uri) == "sqlite":
        return _sqlite_file(uri).parent / "artifacts"
    return DEFAULT_ROOT.absolute() / "artifacts" if _scheme(uri) in _DATABASES else None


@dataclass(frozen=True)
class TrackingStore:
    """An MLflow tracking store that is there, answers and has the right schema.

    ``root`` is the folder that holds everything when the store is a SQLite file, else None.
    ``artifact_root`` is where new experiments put their artifacts, None when a server decides.
    The client may be used from several threads; a store is opened again in each process.
    """

    uri: str
    root: Path | None
    artifact_root: Path | None
    client: Any

    @classmethod
    def open(cls, *, root: Path | None = None, create: bool = True) -> TrackingStore:
        """Open the store MLFLOW_TRACKING_URI names; without it, ``<root>/mlflow.db``.

        ``root`` defaults to ``mlruns`` in the working directory. A SQLite file is created when
        missing, with its folder, unless ``create`` is false: who only looks for something is in
        the wrong folder then. Several processes may open a fresh store at once. A server that does
        not answer is given up after a few seconds.

        Raises:
            TrackingError: the URI is of a kind MLflow cannot write, the folder or the database
                cannot be opened, or the server cannot be reached.
        """
        uri = os.environ.get(TRACKING_URI_VARIABLE, "").strip()
        if not uri:
            return _open_sqlite((root or DEFAULT_ROOT).absolute() / "mlflow.db", create=create)
        scheme = _scheme(uri)
        if scheme == "sqlite":
            return _open_sqlite(_sqlite_file(uri), create=create)
        if scheme in _DATABASES:
            return _open_database(
                uri, artifact_root=(root or DEFAULT_ROOT).absolute() / "artifacts"
            )
        if scheme in _SERVERS:
            return _open_server(uri)
        raise TrackingError(
            f"{TRACKING_URI_VARIABLE} is '{uri}', which MLflow no longer writes to; expected a "
            "database (sqlite:////absolute/folder/mlflow.db, postgresql://…) or a server "
            f"(http://host:5000). Unset {TRACKING_URI_VARIABLE} to use ./mlruns"
        )

    @property
    def address(self) -> str:
        """The URI as it may be shown: without a user's name and password."""
        return without_credentials(self.uri)

    def experiment_id(self, name: str) -> str:
        """The id of the experiment called ``name``, created when there is none.

        Raises:
            TrackingError: the experiment was deleted, or its artifacts cannot be written from here.
        """
        with translated(f"open the experiment '{name}' in {self.address}"):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                experiment = self.client.get_experiment(self._create_experiment(name))
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment '{name}' was deleted in {self.address}; restore it with 'mlflow "
                f"experiments restore -x {experiment.experiment_id}' or choose another name"
            )
        self._check_artifacts_reachable(experiment.artifact_location)
        return str(experiment.experiment_id)

    def _create_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        location = str(self.artifact_root / name) if self.artifact_root else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location))
        except MlflowException as exc:
            # Another process created it between our look and our attempt.
            if exc.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self.client.get_experiment_by_name(name).experiment_id)

    def _check_artifacts_reachable(self, location: str) -> None:
        """Refuse a server that hands out folders of its own machine.

        MLflow would create such a folder here and the server would never see what is in it.
        """
        folder = local_path(location)
        if self.artifact_root is not None or folder is None:
            return
        if not any(parent.exists() for parent in list(folder.parents)[:2]):
            raise TrackingError(
                f"the server at {self.address} keeps artifacts in its own folder {folder}, which "
                "does not exist on this machine; start the server with --serve-artifacts (MLflow's "
                "default) and use another experiment name"
            )


def local_path(uri: str) -> Path | None:
    """The folder an artifact URI means, or None when it is not on this machine."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme else None


def without_credentials(uri: str) -> str:
    """``uri`` without the ``user:password@`` of a server or database."""
    return re.sub(r"://[^@/]*@", "://", uri)


def _scheme(uri: str) -> str:
    return re.split(r"[:+]", uri, maxsplit=1)[0].lower()


def _sqlite_file(uri: str) -> Path:
    """The absolute file of ``sqlite:///relative`` or ``sqlite:////absolute``."""
    _, separator, path = uri.partition(":///")
    if not separator or not path or path.startswith(":memory:"):
        raise TrackingError(
            f"{TRACKING_URI_VARIABLE} is '{uri}'; expected a file: "
            "sqlite:////absolute/folder/mlflow.db"
        )
    return Path(path).absolute()


def _open_sqlite(file: Path, *, create: bool) -> TrackingStore:
    from filelock import FileLock, Timeout

    root = file.parent
    if set("?#%") & set(str(file)):
        raise TrackingError(
            f"the folder {root} has one of the characters ? # % in its path, which a database URI "
            "cannot hold; use another folder"
        )
    if root.exists() and not root.is_dir():
        raise TrackingError(f"expected a folder at {root}, found a file; move it away")
    if file.is_dir():
        raise TrackingError(f"expected a database at {file}, found a folder; move it away")
    if not create and not file.exists():
        raise TrackingError(
            f"there is no tracking store in {root} (no {file.name}); run this in the folder where "
            f"the sweep ran, or let {TRACKING_URI_VARIABLE} name its store"
        )
    mlflow = import_mlflow()
    hint = f"choose a folder you may write to, or put {file.name} right"
    try:
        with translated(f"open the tracking store in {root}", hint=hint):
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / ".mlflow.lock", timeout=_INITIALISATION_SECONDS):
                store = _connected(
                    mlflow, f"sqlite:///{file}", root=root, artifact_root=root / "artifacts"
                )
                _write_ahead(file)
                return store
    except Timeout as exc:
        raise TrackingError(
            f"another process has held {exc.lock_file} for {_INITIALISATION_SECONDS} s; end it, "
            "then try again"
        ) from exc


def _write_ahead(file: Path) -> None:
    """Put the database into WAL mode, in which it stays.

    A transaction then waits for the disk once instead of three times, and whoever reads, such as
    the UI, holds up no delivery. A file system that has no shared memory, or another process that
    is at the database just now, leaves it as it is: that is slower, and no error.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as connection:
        connection.execute("pragma journal_mode = wal")


def _open_database(uri: str, *, artifact_root: Path) -> TrackingStore:
    mlflow = import_mlflow()
    shown = without_credentials(uri)
    hint = f"check that the database runs and that {TRACKING_URI_VARIABLE} is right"
    try:
        with translated(f"open the tracking database {shown}", hint=hint):
            return _connected(mlflow, uri, root=None, artifact_root=artifact_root)
    except ImportError as exc:
        raise TrackingError(
            f"the tracking database {shown} needs a driver that is not installed: {exc}"
        ) from exc


def _open_server(uri: str) -> TrackingStore:
    _require_address(uri)
    mlflow = import_mlflow()
    hint = f"start it, or correct (or unset) {TRACKING_URI_VARIABLE}"
    attempt = f"reach the tracking server {without_credentials(uri)}"
    with translated(attempt, hint=hint), impatience(seconds=_FIRST_ANSWER_SECONDS):
        return _connected(mlflow, uri, root=None, artifact_root=None)


def _require_address(uri: str) -> None:
    """Refuse what no connection could be made to, before MLflow makes a riddle of it."""
    try:
        parts = urlsplit(uri)
        fault = "" if parts.hostname else "it has no host"
        _ = parts.port  # looked at only when it is asked for
    except ValueError as exc:
        fault = str(exc)
    if fault:
        raise TrackingError(
            f"{TRACKING_URI_VARIABLE} is '{without_credentials(uri)}', which is no address "
            f"({fault}); expected a server such as http://host:5000"
        )


def _connected(
    mlflow: Any, uri: str, *, root: Path | None, artifact_root: Path | None
) -> TrackingStore:
    """Build the client and ask one question, which creates or checks the schema."""
    with quiet_warnings():
        client = mlflow.MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return TrackingStore(uri=uri, root=root, artifact_root=artifact_root, client=client)


@contextmanager
def impatience(*, seconds: int) -> Iterator[None]:
    """Let every request of this process fail within ``seconds``, and at the first failure.

    MLflow's own retries take minutes, in which nobody learns that a server is away. A user who
    allows requests more time than that is left alone. A request of another thread is affected too.
    """
    before = {name: os.environ.get(name) for name in (_RETRIES, _TIMEOUT)}
    allowed = before[_TIMEOUT] or ""
    longest = max(seconds, int(allowed) if allowed.isdecimal() else 0)
    os.environ.update({_RETRIES: "0", _TIMEOUT: str(longest)})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
