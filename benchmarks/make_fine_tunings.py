"""Make the table that benchmarks/samplers.py searches: real fine-tunings on a grid.

    python benchmarks/make_fine_tunings.py --data headlines.json --core 0 --part 1/2
    python benchmarks/make_fine_tunings.py --data headlines.json --core 1 --part 2/2

Nine learning rates, three batch sizes, two lengths: 54 fine-tunings of four epochs, at a constant
learning rate, so that one run gives the value after each epoch. They are about a minute each on one
core. The parts share one file and may run side by side; a part that is started again goes on with
what is missing.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from finesweep.training.fine_tuner import FineTuner

TABLE = Path(__file__).resolve().parent / "data" / "fine_tunings.csv"
LOWEST_RATE, HIGHEST_RATE, RATES = 5e-6, 5e-4, 9
BATCH_SIZES = (8, 16, 32)
MAX_LENGTHS = (16, 32)
EPOCHS = 4
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")

Point: TypeAlias = "tuple[float, int, int]"
"""Learning rate, batch size, max length: what one fine-tuning is made with."""


@dataclass(frozen=True)
class Row:
    """A fine-tuning after so many epochs; ``seconds`` are those from its beginning."""

    learning_rate: float
    batch_size: int
    max_length: int
    epochs: int
    val_accuracy: float
    seconds: float


COLUMNS = [field.name for field in fields(Row)]


def grid() -> list[Point]:
    """Every point; neighbours share their shapes, so that little is traced anew."""
    ratio = (HIGHEST_RATE / LOWEST_RATE) ** (1 / (RATES - 1))
    rates = [float(f"{LOWEST_RATE * ratio**step:.4g}") for step in range(RATES)]
    shapes = itertools.product(BATCH_SIZES, MAX_LENGTHS)
    return [(rate, *shape) for shape in shapes for rate in rates]


def done(table: Path) -> set[Point]:
    """The points whose last epoch is in the table."""
    if not table.exists():
        return set()
    with table.open(newline="") as stream:
        return {
            (float(row["learning_rate"]), int(row["batch_size"]), int(row["max_length"]))
            for row in csv.DictReader(stream)
            if row["epochs"] == str(EPOCHS)
        }


def append(table: Path, rows: list[Row]) -> None:
    """Add the rows of one fine-tuning in a single write: the other parts write there too."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(astuple, rows))
    with table.open("a", buffering=1 << 16) as stream:
        stream.write(text.getvalue())


def begin(table: Path) -> None:
    """Write the names of the columns, unless another part was here first."""
    table.parent.mkdir(parents=True, exist_ok=True)
    try:
        with table.open("x") as stream:
            stream.write(",".join(COLUMNS) + "\n")
    except FileExistsError:
        pass


def build_tuner(options: argparse.Namespace) -> FineTuner:
    """The trainer of real sweeps, on so many rows of the headlines."""
    from finesweep.config import ExperimentConfig
    from finesweep.config.cache import cache_directory
    from finesweep.data import prepare
    from finesweep.models.sources import resolve_checkpoint
    from finesweep.training import TrainingSetup
    from finesweep.training.fine_tuner import FineTuner

    experiment = ExperimentConfig.model_validate(
        {
            "name": "fine-tunings",
            "data": {
                "path": str(options.data.resolve()),
                "text": "headline",
                "label": "is_sarcastic",
                "split": {
                    "by": "position",
                    "train": options.rows,
                    "validation": options.validation_rows,
                },
            },
        }
    )
    checkpoint = resolve_checkpoint(options.checkpoint, revision=None)
    data = prepare(
        experiment.data, name=experiment.name, checkpoint=checkpoint, cache=cache_directory()
    )
    setup = TrainingSetup(
        checkpoint=checkpoint,
        prepared=data.directory,
        label_names=data.label_names,
        seed=options.seed,
        # Only the ends of epochs are of interest, and those evaluate all rows.
        tick_validation_rows=len(data.label_names),
        schedule="constant",
    )
    return FineTuner(setup)


def fine_tune(tuner: FineTuner, point: Point) -> Iterator[Row]:
    """One fine-tuning; a row for each of its epochs. One that diverges is as good as guessing."""
    from finesweep.errors import DivergedError
    from finesweep.training.hyperparameters import Hyperparameters
    from finesweep.training.progress import TICKS_PER_EPOCH, Answer, Tick

    rate, batch_size, max_length = point
    accuracies: list[tuple[float, float]] = []

    def note(tick: Tick) -> Answer:
        if tick.full_validation:
            accuracies.append((tick.metrics["val/accuracy"], tick.seconds))
        # A trainer that is told to stop saves no checkpoint.
        return "stop" if tick.number == EPOCHS * TICKS_PER_EPOCH else "continue"

    values = Hyperparameters(
        learning_rate=rate, batch_size=batch_size, epochs=EPOCHS, max_length=max_length
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            tuner.fine_tune(
                values,
                output=Path(folder) / "checkpoint",
                on_tick=note,
                resume_point=Path(folder) / "resume.safetensors",
            )
        except DivergedError:
            seconds = accuracies[-1][1] if accuracies else 0.0
            accuracies += [(0.5, seconds)] * (EPOCHS - len(accuracies))
    for epochs, (accuracy, seconds) in enumerate(accuracies, start=1):
        yield Row(rate, batch_size, max_length, epochs, round(accuracy, 4), round(seconds, 2))


def pin(core: int | None) -> None:
    """Keep this process to one core and one thread; before TensorFlow is imported."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if core is not None:
        os.sched_setaffinity(0, {core})


def part(text: str) -> tuple[int, int]:
    number, count = (int(word) for word in text.split("/"))
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(f"expected 1/2 or 2/2 and the like, received {text}")
    return number, count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the article's headlines")
    parser.add_argument("--checkpoint", default="packaged:minilm-l6-h384")
    parser.add_argument("--rows", type=int, default=1000, help="headlines to train on")
    parser.add_argument("--validation-rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--core", type=int, help="the processor core to keep to")
    parser.add_argument("--part", type=part, default=(1, 1), help="this process's share: 1/2")
    parser.add_argument("--most", type=int, help="end after so many fine-tunings")
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    pin(options.core)
    begin(options.table)
    number, count = options.part
    known = done(options.table)
    points = [point for point in grid()[number - 1 :: count] if point not in known]
    if not points:
        return
    tuner = build_tuner(options)
    for nth, point in enumerate(points[: options.most], start=1):
        began = time.perf_counter()
        rows = list(fine_tune(tuner, point))
        append(options.table, rows)
        sys.stdout.write(
            f"{nth} of {len(points)}: {point} {rows[-1].val_accuracy} in "
            f"{time.perf_counter() - began:.0f} s\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
