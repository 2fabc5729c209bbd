"""A result as a bar chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.compare.history import Result
from benchmarks.compare.outcome import Kind, Row

_OURS, _THEIRS = "#1f6feb", "#9aa4b0"
_HEADINGS: dict[Kind, str] = {
    "training": "Training loop alone",
    "sweep": "Whole sweep, from the command's start to its end",
}
_INCHES_A_BAR = 0.42
_INCHES_AROUND = 0.95  # of a panel, for its heading and its axis
_WIDTH = 9.0


def draw(result: Result, file: Path) -> None:
    """Draw ``result`` as a PNG: a panel for each kind of contest, a bar for each contestant."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = [
        (heading, found)
        for kind, heading in _HEADINGS.items()
        if (found := [row for row in result.rows if row.kind == kind])
    ]
    heights = [_INCHES_AROUND + _INCHES_A_BAR * len(found) for _, found in panels]
    figure, axes = plt.subplots(
        len(panels),
        squeeze=False,
        figsize=(_WIDTH, sum(heights) + 0.8),
        height_ratios=heights,
        layout="constrained",
    )
    for axis, (heading, found) in zip(axes[:, 0], panels, strict=True):
        _draw_panel(axis, found, heading=heading)
    figure.suptitle(_title(result), fontsize=10)
    figure.savefig(file, dpi=150)
    plt.close(figure)


def _draw_panel(axis: Any, rows: Sequence[Row], *, heading: str) -> None:
    rates = [row.rate or 0.0 for row in rows]
    bars = axis.barh(
        [row.label for row in rows],
        rates,
        color=[_OURS if _is_finesweep(row) else _THEIRS for row in rows],
    )
    axis.bar_label(bars, labels=[_bar_text(row) for row in rows], padding=4, fontsize=9)
    axis.invert_yaxis()
    axis.margins(x=0.3)
    axis.set_xlim(left=0.0)
    axis.set_title(heading, loc="left", fontsize=11)
    axis.set_xlabel("examples per second")
    axis.spines[["top", "right"]].set_visible(False)


def _bar_text(row: Row) -> str:
    if row.rate is None:
        return "failed"
    rate = f"{row.rate:.0f}" if row.rate >= 10.0 else f"{row.rate:.1f}"
    if _is_finesweep(row) or row.ratio is None:
        return rate
    return f"{rate}  (finesweep {row.ratio:.1f}×)"


def _is_finesweep(row: Row) -> bool:
    return row.key.startswith("finesweep")


def _title(result: Result) -> str:
    settings, machine = result.settings, result.machine
    gpus = ", ".join(machine.gpus) or "no GPU"
    count = settings["rounds"]
    rounds = f"median of {count} rounds" if count > 1 else "a single round"
    return (
        f"{settings['geometry']}, batch {settings['batch_size']}, {settings['rows']} texts a "
        f"training, {rounds}\n"
        f"{machine.cpu}, {machine.cores} cores, {gpus}, {result.date[:10]}"
    )
