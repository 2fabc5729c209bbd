"""The work that every contestant is given: the same rows, the same checkpoint, the same values."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.compare.outcome import ContestError
from benchmarks.compare.process import ROOT, last_line

Geometry = Literal["minilm", "base"]
GEOMETRIES: tuple[Geometry, ...] = ("minilm", "base")

# The bundled headlines, in the article's layout.
SAMPLE = ROOT / "src" / "finesweep" / "data" / "samples" / "headlines.json"
TEXT, LABEL = "headline", "is_sarcastic"


@dataclass(frozen=True, kw_only=True)
class Work:
    """One task for all.

    The first ``rows`` of ``data`` train, the next ``validation_rows`` measure. A training takes
    ``learning_rate``; a sweep tries each of ``sweep_rates`` once. ``workers`` is how many processes
    stand side by side where that is what is compared, ``precision`` what this machine multiplies
    fastest in.
    """

    geometry: Geometry
    checkpoint: Path
    data: Path
    rows: int
    validation_rows: int
    workers: int
    precision: str
    sweep_rates: tuple[float, ...]
    learning_rate: float = 5e-5
    max_length: int = 32
    batch_size: int = 16
    epochs: int = 1


def require_rows(data: Path, *, needed: int) -> None:
    """Refuse a file that is not in the article's layout, or has too few rows."""
    try:
        found = json.loads(data.read_text(encoding="utf-8"))
        usable = isinstance(found, list) and {TEXT, LABEL} <= set(found[0])
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise ContestError(f"expected headlines in {data.name}, received: {error}") from error
    if not usable:
        raise ContestError(
            f"expected a JSON array of objects with {TEXT} and {LABEL} in {data.name}"
        )
    if len(found) < needed:
        raise ContestError(
            f"expected {needed} rows in {data.name}, received {len(found)}; "
            "lower --rows or --validation-rows, or name more data with --data"
        )


def digest(data: Path) -> str:
    """What a result says of the data it was measured on."""
    return hashlib.sha256(data.read_bytes()).hexdigest()[:16]


def texts(work: Work) -> list[str]:
    """The training texts."""
    found: list[dict[str, Any]] = json.loads(work.data.read_text(encoding="utf-8"))
    return [str(row[TEXT]) for row in found[: work.rows]]


def checkpoint_of(geometry: Geometry, folder: Path) -> Path:
    """The checkpoint all start from, as ``save_pretrained`` wrote it; made once."""
    target = folder / geometry
    if (target / "config.json").is_file():
        return target
    # In a process of its own: the benchmark itself stays without TensorFlow.
    made = subprocess.run(
        [sys.executable, "-m", "benchmarks.compare.checkpoint", geometry, str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise ContestError(f"no checkpoint could be made: {last_line(made.stderr)}")
    return target
