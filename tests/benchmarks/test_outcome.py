"""Rounds of outcomes become rows with ratios."""

from __future__ import annotations

import pytest

from benchmarks.compare.history import Result
from benchmarks.compare.outcome import ContestError, Entrant, Measured, Outcome, rows


def test_a_ratio_is_one_of_medians(result: Result) -> None:
    row = next(row for row in result.rows if row.key == "article")
    assert row.rate == 50.0
    assert row.ratio == 250.0 / 50.0
    assert row.asked == 5.0


def test_a_search_is_compared_by_the_clock_of_its_command(result: Result) -> None:
    row = next(row for row in result.rows if row.key == "optuna")
    assert row.rates == (25.0, 25.0, 25.0)
    assert row.ratio == 4.0


def test_one_that_fails_keeps_its_row_and_its_reason(result: Result) -> None:
    row = next(row for row in result.rows if row.key == "broken")
    assert row.rate is None
    assert row.ratio is None
    assert row.failures == ("ImportError: no module named torch",) * 3


def test_a_round_that_fails_leaves_the_others(rounds: list[dict[str, Outcome]]) -> None:
    rounds[0]["article"] = rounds[0]["broken"]
    entrants = (
        Entrant(key="finesweep", label="finesweep", kind="training", ours=True),
        Entrant(key="article", label="the article's script", kind="training"),
    )
    row = rows(entrants, rounds)[1]
    assert row.rates == (20.0, 52.0)
    assert len(row.failures) == 1


def test_without_ours_there_is_no_ratio(rounds: list[dict[str, Outcome]]) -> None:
    assert rows((Entrant(key="article", label="", kind="training"),), rounds)[0].ratio is None


def test_a_training_without_a_training_rate_is_refused() -> None:
    outcome = Measured(examples=1, seconds=1.0, training_rate=None, validation_accuracy=0.5)
    with pytest.raises(ContestError, match="expected the training time"):
        rows((Entrant(key="a", label="a", kind="training"),), [{"a": outcome}])
