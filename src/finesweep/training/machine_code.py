"""Functions written in C, compiled by this machine's own compiler when a process needs them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# The square root of a negative number sets no errno and a division no flag: nobody reads them, and
# with them neither could be computed for several numbers at once.
_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
_SECONDS = 60.0


def compiled(source: Path) -> ctypes.CDLL | None:
    """``source`` as a library, in half a second; None on a machine without a C compiler.

    Compiled anew by each process: a library that lay somewhere between them would be run by
    whoever finds it. One that cannot be compiled or loaded is None too, with a line on stdout that
    says why: whoever asks has a slower way.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="finesweep-") as folder:
            library = Path(folder) / f"{source.stem}.so"
            command = [compiler, *_FLAGS, "-o", str(library), str(source), "-lm"]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
            # What is loaded stays, also when its file is gone.
            return ctypes.CDLL(str(library))
    except subprocess.CalledProcessError as exc:
        why = (exc.stderr.strip().splitlines() or [f"it ended with status {exc.returncode}"])[-1]
    except (OSError, subprocess.TimeoutExpired) as exc:
        why = str(exc)
    sys.stdout.write(f"{source.name}: expected {compiler} to compile it, received: {why}\n")
    sys.stdout.flush()
    return None
