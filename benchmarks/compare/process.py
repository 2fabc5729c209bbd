"""Running contestants: what they say goes to files, how long they take is measured here."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.outcome import ContestError

ROOT = Path(__file__).parents[2]

LONGEST_SECONDS = 3600.0
# A user's own settings would change what one contestant may use, or where ours puts its results.
_NOT_HANDED_ON = (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "MKL_NUM_THREADS",
    "MLFLOW_TRACKING_URI",
    "FINESWEEP_STUDY",
    "VIRTUAL_ENV",
    "PYTHONPATH",
)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What processes side by side wrote to standard output, and the seconds until all had ended."""

    outputs: tuple[str, ...]
    seconds: float


def run_together(
    commands: Sequence[Sequence[str]], *, folder: Path, variables: Mapping[str, str] | None = None
) -> Finished:
    """Run ``commands`` side by side in ``folder``, which is created.

    Raises ``ContestError`` with the last line of the first one that fails, or takes too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_HANDED_ON}
    environment.update({"PYTHONPATH": str(ROOT), **(variables or {})})
    began = time.perf_counter()
    with ExitStack() as stack:
        running = []
        for number, command in enumerate(commands):
            log = [
                stack.enter_context((folder / f"{name}-{number}.txt").open("w+", encoding="utf-8"))
                for name in ("output", "errors")
            ]
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log[0], stderr=log[1]
            )
            stack.callback(_end, process)
            running.append((process, log))
        for process, (_, errors) in running:
            _wait(process, errors=Path(errors.name), began=began)
        seconds = time.perf_counter() - began
        outputs = tuple(Path(output.name).read_text(encoding="utf-8") for _, (output, _) in running)
    return Finished(outputs=outputs, seconds=seconds)


def last_line(said: str) -> str:
    """The last line that says something, without this machine's folders: results are kept."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    line = lines[-1] if lines else "it said nothing"
    return line.replace(str(ROOT), ".").replace(str(Path.home()), "~")


def _wait(process: subprocess.Popen[bytes], *, errors: Path, began: float) -> None:
    left = LONGEST_SECONDS - (time.perf_counter() - began)
    try:
        code = process.wait(max(left, 0.0))
    except subprocess.TimeoutExpired as error:
        raise ContestError(f"not done after {LONGEST_SECONDS:.0f} s") from error
    if code:
        raise ContestError(last_line(errors.read_text(encoding="utf-8", errors="replace")))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
