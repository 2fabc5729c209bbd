"""Keeps what native libraries print at start-up off the user's terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_noise_kept_back() -> Iterator[None]:
    """Send what C++ code writes to standard error into a file; Python's own output goes through.

    TensorFlow logs its processor features before any of its settings is read, so only the file
    descriptor can be held. What was held is shown when the block ends with an unexpected error:
    then it may be what explains it.
    """
    from finesweep.errors import FinesweepError

    sys.stderr.flush()
    terminal = os.dup(2)
    python_stderr = sys.stderr
    with tempfile.TemporaryFile() as held, os.fdopen(terminal, "w", closefd=False) as through:
        os.dup2(held.fileno(), 2)
        sys.stderr = through
        try:
            yield
        except (FinesweepError, KeyboardInterrupt):
            raise
        except BaseException:
            held.seek(0)
            through.write(held.read().decode(errors="replace"))
            raise
        finally:
            through.flush()
            sys.stderr = python_stderr
            os.dup2(terminal, 2)
            os.close(terminal)
