"""What a benchmark can be told."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.work import GEOMETRIES, SAMPLE, Geometry

DATA_VARIABLE = "FINESWEEP_BENCH_DATA"

# Around the article's rate; a sweep takes as many as it has trials.
RATES = (5e-5, 3e-5, 8e-5, 2e-5, 1e-4, 4e-5, 6e-5, 1e-5)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is measured, how often, and whether the result is kept in the history."""

    data: Path
    rows: int
    validation_rows: int
    rounds: int
    sweep_rates: tuple[float, ...]
    geometry: Geometry
    quick: bool
    only: tuple[str, ...]
    keep: bool


def read_options(arguments: list[str] | None = None) -> Options:
    """The options of the command line; ``--quick`` changes what they are when not given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare")
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get(DATA_VARIABLE) or SAMPLE,
        help=f"headlines in the article's layout; else ${DATA_VARIABLE}, else the bundled sample",
    )
    parser.add_argument("--rows", type=_count, help="texts to train on: the file's first so many")
    parser.add_argument("--validation-rows", type=_count, help="texts to measure on, after those")
    parser.add_argument("--rounds", type=_count, help="how often everybody takes a turn")
    parser.add_argument(
        "--trials", type=_trials, help=f"trials of the whole sweeps, at most {len(RATES)}"
    )
    parser.add_argument("--geometry", choices=GEOMETRIES, default="minilm")
    parser.add_argument(
        "--quick", action="store_true", help="one short round without whole sweeps, not kept"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="KEY", help="only these take part")
    parser.add_argument(
        "--keep", action=argparse.BooleanOptionalAction, help="put the result into the history"
    )
    given = parser.parse_args(arguments)
    quick = bool(given.quick)
    return Options(
        data=Path(given.data),
        rows=given.rows or (160 if quick else 1000),
        validation_rows=given.validation_rows or (80 if quick else 280),
        rounds=given.rounds or (1 if quick else 3),
        sweep_rates=RATES[: given.trials or 4],
        geometry=given.geometry,
        quick=quick,
        only=tuple(given.only),
        # Part of a table is no result to compare with.
        keep=(not quick and not given.only) if given.keep is None else given.keep,
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, received {text}")
    return count


def _trials(text: str) -> int:
    count = _count(text)
    if count > len(RATES):
        raise argparse.ArgumentTypeError(f"expected at most {len(RATES)}, received {text}")
    return count
