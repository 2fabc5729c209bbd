"""Where finesweep keeps what it can fetch or compute again."""

from __future__ import annotations

import os
from pathlib import Path

from finesweep.errors import UserError

CACHE_VARIABLE = "FINESWEEP_CACHE"


def cache_directory() -> Path:
    """``$FINESWEEP_CACHE``, else ``finesweep`` in the user's cache folder; not created here.

    Raises ``UserError`` for a user without a home, as in many a container.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(chosen or base).expanduser().absolute()
    except RuntimeError as exc:
        raise UserError(
            f"there is no home folder to keep the cache in ({chosen or base}); name a folder in "
            f"the environment variable {CACHE_VARIABLE}"
        ) from exc
    return folder if chosen else folder / "finesweep"
