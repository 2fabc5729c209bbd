"""How fast a sweep trained, read from the ticks that its trials logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.compare.outcome import ContestError


@dataclass(frozen=True, kw_only=True)
class LoggedTick:
    """One tick of a trial, as MLflow has it.

    ``moment`` is when it was logged, in seconds since the epoch; ``examples`` were trained on since
    the tick before, at ``rate`` examples per second of training alone.
    """

    moment: float
    examples: float
    rate: float


def training_rate(trials: Sequence[Sequence[LoggedTick]], *, workers: int) -> float:
    """Examples per second over all workers while all of them train, of training alone.

    ``trials`` are in the order in which they were begun. The first tick of each worker, which holds
    the tracing of its step, does not count, nor does what was trained before the last worker had
    its first tick behind it or after the first one ran out of trials: the machine was not full.
    What counts is pooled, examples over seconds of training, and multiplied by the workers, which
    is the sum over workers that were busy equally long.

    Raises ``ContestError`` where nothing counts.
    """
    # A worker takes its first trial as soon as it has loaded: these are on one each.
    first = trials[:workers]
    if len(first) < workers:
        raise ContestError(f"expected at least {workers} trials, received {len(first)}")
    if not all(trials):
        raise ContestError("expected ticks of every trial, received a trial that logged none")
    full_from = max(trial[0].moment for trial in first)
    full_until = sorted(trial[-1].moment for trial in trials)[-workers]
    counted = [
        tick
        for number, trial in enumerate(trials)
        for tick in (trial[1:] if number < workers else trial)
        if full_from < tick.moment <= full_until
    ]
    if not counted:
        raise ContestError(
            "expected ticks during which all workers train, received none; take more --rows"
        )
    seconds = sum(tick.examples / tick.rate for tick in counted)
    return workers * sum(tick.examples for tick in counted) / seconds
