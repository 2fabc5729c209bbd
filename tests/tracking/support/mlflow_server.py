"""A real tracking server, to be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finesweep.errors import TrackingError
from finesweep.tracking import TrackingStore
from finesweep.tracking.mlflow_access import quiet_environment


class MlflowServer:
    """A real ``mlflow server`` on a database, which can be killed and started again."""

    def __init__(self, database: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self._folder = database.parent
        self.url = f"http://127.0.0.1:{port}"
        argv = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
        self._argv = [*argv, "--backend-store-uri", f"sqlite:///{database}", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._argv,
            # Where it keeps artifacts unless it is told otherwise.
            cwd=self._folder,
            env={**quiet_environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait(timeout=20)
            self._process = None

    def opened(self, monkeypatch: pytest.MonkeyPatch) -> TrackingStore:
        """The store that the server is, once it answers."""
        monkeypatch.setenv("MLFLOW_TRACKING_URI", self.url)
        deadline = time.monotonic() + 90
        while True:
            try:
                return TrackingStore.open()
            except TrackingError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
