"""A result as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.compare.outcome import Kind, Row

_TITLES: dict[Kind, str] = {
    "training": "Training: examples/s of the training loop alone, set-up and first steps left out",
    "sweep": "Whole sweeps: examples/s over the wall-clock of the whole command",
}
NOTHING = "–"


def print_tables(rows: Sequence[Row], *, console: Console) -> None:
    """A table for each kind of contest, and below it what failed."""
    for kind, title in _TITLES.items():
        entered = [row for row in rows if row.kind == kind]
        if entered:
            console.print(_table(entered, title=title))
    for row in rows:
        for reason in dict.fromkeys(row.failures):
            count, runs = row.failures.count(reason), len(row.failures) + len(row.rates)
            console.print(
                f"{row.label} failed in {count} of {runs} rounds: {reason}",
                markup=False,
                soft_wrap=True,
            )


def _table(rows: Sequence[Row], *, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("contestant")
    for header in (
        "examples/s",
        "range",
        "finesweep is",
        "asked",
        "val acc",
        "command s",
        "ex/s of the command",
    ):
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(*_cells(row), style="bold" if row.ours else "")
    return table


def _cells(row: Row) -> list[str]:
    if row.rate is None:
        return [row.label, "failed", *[NOTHING] * 6]
    overall = median(row.overall_rates)
    return [
        row.label,
        f"{row.rate:.1f}",
        f"{min(row.rates):.1f}–{max(row.rates):.1f}" if len(row.rates) > 1 else NOTHING,
        NOTHING if row.ours or row.ratio is None else f"{row.ratio:.2f}×",
        NOTHING if row.asked is None else f"{row.asked:g}×",
        NOTHING if row.validation_accuracy is None else f"{row.validation_accuracy:.4f}",
        NOTHING if row.seconds is None else f"{row.seconds:.0f}",
        f"{overall:.1f}",
    ]
