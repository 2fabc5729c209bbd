"""Python's search for unreachable cycles, kept away from what was there before a sweep began."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports_not_searched() -> Iterator[None]:
    """Leave all objects that exist now out of every garbage collection until the end.

    MLflow, Optuna and SQLAlchemy are hundreds of thousands of them, and none goes away in a sweep:
    looking through them again and again took a tenth of the coordinator's time.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
