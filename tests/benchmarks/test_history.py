"""Results are kept, and compared with the last of their kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.compare.history import Result, compare_with_last, keep
from benchmarks.compare.outcome import Row


def slower(row: Row) -> Row:
    return row if row.ratio is None else replace(row, ratio=row.ratio * 0.9)


def test_a_kept_result_can_be_read_again(result: Result, tmp_path: Path) -> None:
    file = keep(result, tmp_path / "history")
    kept = json.loads(file.read_text())
    assert file.name == "20260102T0304-minilm-cpu.json"
    assert kept["ratios"] == {"finesweep": 1.0, "article": 5.0, "finesweep-sweep": 1.0} | {
        "optuna": 4.0
    }
    assert kept["machine"]["cpu"] == "A Processor"
    assert kept["rows"][1]["rates"] == [50.0, 20.0, 52.0]


def test_the_first_of_its_kind_has_nothing_to_be_compared_with(
    result: Result, tmp_path: Path
) -> None:
    assert compare_with_last(result, tmp_path) is None
    keep(replace(result, settings={**result.settings, "geometry": "base"}), tmp_path)
    keep(replace(result, settings={**result.settings, "rows": 160}), tmp_path)
    keep(replace(result, machine=replace(result.machine, cores=16)), tmp_path)
    assert compare_with_last(result, tmp_path) is None


def test_the_latest_of_its_kind_is_what_it_is_compared_with(result: Result, tmp_path: Path) -> None:
    keep(replace(result, date="2025-12-01T00:00:00+00:00"), tmp_path)
    keep(result, tmp_path)
    now = replace(
        result,
        settings={**result.settings, "rounds": 1},
        date="2026-02-01T00:00:00+00:00",
        rows=tuple(slower(row) for row in result.rows),
    )
    comparison = compare_with_last(now, tmp_path)
    assert comparison is not None
    assert comparison.date == result.date
    assert [item.key for item in comparison.differences] == ["article", "optuna"]
    assert comparison.differences[0].change == pytest.approx(-0.1)
    assert "  article 5.00× → 4.50× (-10%)" in comparison.lines()
