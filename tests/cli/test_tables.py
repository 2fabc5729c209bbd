from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from rich.console import Console, RenderableType

from finesweep.cli.tables import (
    history_table,
    predictions_table,
    studies_table,
    trials_table,
    versions_table,
)
from finesweep.registry import Predictions, RegisteredVersion, StageChange
from finesweep.sweeps.result import StudySummary, SweepResult


def lines_of(table: RenderableType, *, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


def test_a_trial_is_a_row_and_the_best_is_marked(result: SweepResult) -> None:
    *_, first, second, third = lines_of(trials_table(result, width=140), width=140)
    values = ["4.94e-05", "4096", "3", "64", "0.9183", "0.9000", "0.3457", "267", "92"]
    assert first.split() == ["t000", "completed", *values]
    assert second.split() == ["t001", "interrupted", *values[:4]]
    assert third.split() == ["*", "t002", "completed", *values]


def test_attempts_are_shown_where_a_trial_took_more_than_one(result: SweepResult) -> None:
    *others, last = result.trials
    again = replace(result, trials=(*others, replace(last, attempts=3)))
    *_, first, _, third = lines_of(trials_table(again, width=160), width=160)
    assert (first.split()[-1], third.split()[-1]) == ("1", "3")


def test_what_a_hypermodel_drew_has_columns_and_what_it_does_not_use_is_left_empty(
    result: SweepResult,
) -> None:
    drawn: list[dict[str, Any]] = [
        {"units": 32, "epochs": 7},
        {"kind": "cnn", "rate": 0.123456, "epochs": 7},
        {},
    ]
    trials = zip(result.trials, drawn, strict=True)
    result = replace(result, trials=tuple(replace(one, drawn=values) for one, values in trials))
    lines = lines_of(trials_table(result, width=180), width=180)
    first, second, third = (line.split() for line in lines[-3:])
    assert {"units", "kind", "rate"} <= set(" ".join(lines[:-3]).split())
    assert first[:4] == ["t000", "completed", "7", "32"]
    assert second[:5] == ["t001", "interrupted", "7", "cnn", "0.123"]
    assert third[3:7] == ["4.94e-05", "4096", "3", "64"]


@pytest.mark.parametrize("width", [140, 110, 100, 80, 60, 40])
def test_no_row_is_folded_whatever_the_width(result: SweepResult, width: int) -> None:
    lines = lines_of(trials_table(result, width=width), width=width)
    assert max(map(len, lines)) <= width
    (row,) = (line for line in lines if "t002" in line)
    assert row.split()[:3] == ["*", "t002", "completed"]
    assert "0.9183" in row
    if width >= 100:
        assert "4.94e-05" in row
        assert "92" in row
    if width < 100:
        assert any("no room for" in line for line in lines)


def test_what_is_left_out_is_named(result: SweepResult) -> None:
    lines = lines_of(trials_table(result, width=80), width=80)
    assert lines[-1] == "no room for val/f1, examples a second, seconds: see --json"
    assert "no room" not in "".join(lines_of(trials_table(result, width=140), width=140))


def test_a_trial_without_a_result_has_empty_cells(result: SweepResult) -> None:
    result = replace(result, best=None, trials=result.trials[1:2])
    assert "None" not in "".join(lines_of(trials_table(result, width=140), width=140))


def test_texts_are_shown_as_they_are() -> None:
    texts = ["[bold]not markup[/]", "short"]
    predictions = Predictions(
        labels=("[red]", "b"),
        scores=np.array([0.9, 0.6]),
        probabilities=np.array([[0.9, 0.1], [0.4, 0.6]]),
        class_names=("[red]", "b"),
    )
    lines = lines_of(predictions_table(texts, predictions, width=100), width=100)
    assert lines[0].split() == ["text", "label", "score", "[red]", "b"]
    assert lines[2].split("  ")[0].strip() == "[bold]not markup[/]"
    assert lines[2].split()[-4:] == ["[red]", "0.9000", "0.9000", "0.1000"]


def test_many_classes_give_way_to_the_text() -> None:
    names = tuple(f"class-{number}" for number in range(20))
    predictions = Predictions(
        labels=("class-3",),
        scores=np.array([0.05]),
        probabilities=np.full((1, 20), 0.05),
        class_names=names,
    )
    lines = lines_of(predictions_table(["a text " * 10], predictions, width=80), width=80)
    assert lines[0].split() == ["text", "label", "score"]
    assert max(map(len, lines)) <= 80


def test_a_version_shows_what_it_is_worth_and_where_it_comes_from() -> None:
    tags = {
        "finesweep.metric.val/accuracy": "0.918321",
        "finesweep.sweep": "lr",
        "finesweep.trial": "4",
    }
    version = RegisteredVersion(
        name="headlines",
        version=3,
        stage="Staging",
        run_id="0" * 32,
        aliases=("champion", "staging"),
        source="",
        tags=tags,
    )
    foreign = replace(version, version=4, tags={}, aliases=())
    *_, ours, theirs = lines_of(versions_table([version, foreign], width=140), width=140)
    assert ours.split() == [
        "headlines", "3", "Staging", "champion,", "staging", "0.9183", "lr", "t004", "0" * 32,
    ]  # fmt: skip
    assert theirs.split() == ["headlines", "4", "Staging", "0" * 32]
    assert max(map(len, lines_of(versions_table([version], width=80), width=80))) <= 80


def test_studies_and_moves_are_rows() -> None:
    study = StudySummary(name="x", total=None, done=1, running=0, best_value=None, metric=None)
    assert lines_of(studies_table([study], width=80), width=80)[-1].split() == [
        "x", "1", "of", "?", "0",
    ]  # fmt: skip
    change = StageChange(version=2, stage="Staging", at=datetime(2026, 3, 1, tzinfo=UTC), by="me")
    row = lines_of(history_table([change], width=80), width=80)[-1].split()
    assert row == ["2026-03-01", "00:00:00", "2", "Staging", "me"]
