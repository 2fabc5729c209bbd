"""Where finesweep keeps what it can fetch or compute again."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "FINESWEEP_CACHE"


def cache_directory() -> Path:
    """``$FINESWEEP_CACHE``, else ``finesweep`` in the user's cache folder; not created here."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "finesweep"
