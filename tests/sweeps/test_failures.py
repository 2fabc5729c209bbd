from __future__ import annotations

import pytest

from finesweep.errors import SweepFailedError
from finesweep.sweeps.failures import FailureStreak


def test_the_third_same_error_in_a_row_gives_up() -> None:
    streak = FailureStreak(limit=3)
    streak.add("ValueError", "trial 1: shape (16, 4)")
    streak.add("ValueError", "trial 2: shape (8, 4)")
    with pytest.raises(SweepFailedError, match=r"3 trials in a row .* ValueError: trial 3"):
        streak.add("ValueError", "trial 3: shape (32, 4)")


def test_other_errors_and_other_endings_start_anew() -> None:
    streak = FailureStreak(limit=3)
    for kind in ["ValueError", "ValueError", "OSError", "ValueError", "ValueError"]:
        streak.add(kind, "the same words")
    streak.clear()
    streak.add("ValueError", "the same words")
    streak.add("ValueError", "the same words")


def test_a_limit_of_one_gives_up_at_once() -> None:
    with pytest.raises(SweepFailedError, match="^1 trial failed with the same error, OSError: no;"):
        FailureStreak(limit=1).add("OSError", "no")
