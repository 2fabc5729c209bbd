"""Where finesweep keeps things, as seen from one working directory."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from finesweep.sweeps.storage import database_file, parse_url
from finesweep.tracking.store import TRACKING_URI_VARIABLE


@dataclass(frozen=True, kw_only=True)
class Place:
    """The folders and databases to look at.

    ``root`` is the folder of the tracking store, ``work`` the one that holds a working folder for
    each sweep, ``cache`` where checkpoints and tokenised data are kept.
    """

    root: Path
    study_url: str
    work: Path
    cache: Path

    @property
    def tracking_url(self) -> str:
        """Where runs are kept: a database's URL, or a server's."""
        chosen = os.environ.get(TRACKING_URI_VARIABLE, "").strip()
        return chosen or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def tracking_is_a_database(self) -> bool:
        """Whether runs are written to a database directly, and not through a server."""
        return re.match(r"(sqlite|postgresql|mysql|mssql)[:+]", self.tracking_url) is not None

    def workdir(self, sweep: str) -> Path:
        """The working folder of a sweep."""
        return self.work / sweep


def is_there(url: str) -> bool:
    """Whether there can be something behind a database's URL: a SQLite file may not exist yet.

    Raises:
        StudyError: it is no database URL.
    """
    file = database_file(parse_url(url))
    return file is None or (file.exists() and file.stat().st_size > 0)
