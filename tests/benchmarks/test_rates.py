"""What of the trials' ticks counts as training of a full machine."""

from __future__ import annotations

import pytest

from benchmarks.compare.outcome import ContestError
from benchmarks.compare.rates import LoggedTick, training_rate


def tick(moment: float, rate: float, *, examples: float = 100.0) -> LoggedTick:
    return LoggedTick(moment=moment, examples=examples, rate=rate)


def test_the_first_tick_of_each_worker_does_not_count() -> None:
    # The third trial is a kept worker's second: it traces nothing, and all of it counts.
    trials = [
        [tick(1.0, 5.0), tick(2.0, 100.0)],
        [tick(1.5, 5.0), tick(4.0, 100.0)],
        [tick(3.0, 100.0), tick(4.1, 100.0)],
    ]
    assert training_rate(trials, workers=2) == pytest.approx(200.0)


def test_only_what_was_trained_while_all_workers_did_counts() -> None:
    trials = [
        # Alone until the second worker is ready at 5, and faster for it.
        [tick(1.0, 5.0), tick(2.0, 900.0), tick(6.0, 100.0), tick(7.0, 100.0)],
        [tick(5.0, 5.0), tick(6.5, 100.0), tick(7.5, 900.0), tick(8.5, 900.0)],
    ]
    assert training_rate(trials, workers=2) == pytest.approx(200.0)


def test_slow_seconds_weigh_as_long_as_they_last() -> None:
    trials = [[tick(1.0, 1.0), tick(2.0, 100.0), tick(3.0, 25.0)]]
    # 200 examples in 1 + 4 seconds, not the mean of 100 and 25.
    assert training_rate(trials, workers=1) == pytest.approx(40.0)


def test_trials_that_never_ran_together_have_no_rate() -> None:
    trials = [[tick(1.0, 5.0), tick(2.0, 100.0)], [tick(3.0, 5.0), tick(4.0, 100.0)]]
    with pytest.raises(ContestError, match="more --rows"):
        training_rate(trials, workers=2)


def test_fewer_trials_than_workers_have_no_rate() -> None:
    with pytest.raises(ContestError, match="at least 2 trials, received 1"):
        training_rate([[tick(1.0, 5.0), tick(2.0, 5.0)]], workers=2)


def test_a_trial_without_ticks_is_not_passed_over() -> None:
    with pytest.raises(ContestError, match="logged none"):
        training_rate([[tick(1.0, 5.0), tick(2.0, 5.0)], []], workers=1)
