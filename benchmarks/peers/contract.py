"""What every peer is given and what it says: its command line, its rows, its one line of JSON.

Runs in the peers' own environments, which know nothing of finesweep. Nothing heavy is imported: a
peer's time includes its imports, whatever their order.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Task:
    """The work: which checkpoint is fine-tuned on which rows, and with what.

    The first ``rows`` of ``data`` train, the ``validation_rows`` after them measure. A peer that
    trains once takes the first of ``learning_rates``, a search tries them all. ``cores`` are those
    that a peer is to keep to, with one thread; empty leaves it the whole machine.
    """

    checkpoint: Path
    data: Path
    rows: int
    validation_rows: int
    max_length: int
    batch_size: int
    epochs: int
    learning_rates: tuple[float, ...]
    precision: str
    cores: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Texts and their labels, 0 or 1."""

    texts: list[str]
    labels: list[int]


def read_task() -> Task:
    """The task of the command line; pins the process to its cores, if it has any."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--validation-rows", type=int, required=True)
    parser.add_argument("--max-length", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--learning-rates", type=float, nargs="+", required=True)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), required=True)
    parser.add_argument("--cores", type=int, nargs="+", default=[])
    given = parser.parse_args()
    given.learning_rates = tuple(given.learning_rates)
    given.cores = tuple(given.cores)
    task = Task(**vars(given))
    if task.cores:
        keep_to(task.cores)
    return task


def keep_to(cores: tuple[int, ...]) -> None:
    """Pin this process, with a thread a core; to be called before the framework is imported."""
    os.sched_setaffinity(0, cores)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(len(cores))


def read_splits(task: Task) -> tuple[Split, Split]:
    """The training and the validation rows."""
    rows = json.loads(task.data.read_text(encoding="utf-8"))
    return (
        _split(rows[: task.rows]),
        _split(rows[task.rows : task.rows + task.validation_rows]),
    )


def report(*, examples: int, training_seconds: float | None, validation_accuracy: float) -> None:
    """Say what came out, in the one line of JSON that the benchmark reads.

    ``examples`` were trained on in all; ``training_seconds`` is the time of the training loops
    alone, without set-up and without the tracing of the first step. A search leaves it out.
    """
    outcome = {
        "examples": examples,
        "training_seconds": training_seconds,
        "validation_accuracy": validation_accuracy,
    }
    print(json.dumps(outcome))


def _split(rows: list[dict[str, object]]) -> Split:
    return Split(
        texts=[str(row["headline"]) for row in rows],
        labels=[int(str(row["is_sarcastic"])) for row in rows],
    )
