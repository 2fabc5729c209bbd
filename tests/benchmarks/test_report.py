"""Tables and chart show everybody, those that failed too."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.compare.chart import draw
from benchmarks.compare.history import Result
from benchmarks.compare.report import print_tables


def test_one_that_failed_is_shown_beside_the_others(result: Result) -> None:
    console = Console(file=io.StringIO(), width=140)
    print_tables(result.rows, console=console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "5.00×" in said
    assert "a peer that fails failed in 3 of 3 rounds: ImportError: no module named torch" in said


def test_the_chart_is_a_picture(result: Result, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.png", tmp_path / "part.png"
    draw(result, whole)
    draw(replace(result, rows=result.rows[:2]), part)
    assert whole.read_bytes().startswith(b"\x89PNG")
    assert len(part.read_bytes()) < len(whole.read_bytes())
