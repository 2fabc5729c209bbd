"""What one run of one contestant came to, and how a contestant's rounds become one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Kind = Literal["training", "sweep"]


class ContestError(Exception):
    """A contestant, or what it needs, failed; the message is one line and goes into the table."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run that came to its end.

    ``examples`` were trained on in ``seconds``, the wall-clock of the whole command: imports,
    set-up, evaluation and all. ``training_rate`` is in examples per second of the training loop
    alone, summed over processes side by side; a whole search has none.
    """

    examples: int
    seconds: float
    training_rate: float | None
    validation_accuracy: float

    @property
    def overall_rate(self) -> float:
        """Examples per second of the whole command."""
        return self.examples / self.seconds


@dataclass(frozen=True, kw_only=True)
class Failed:
    """One run that did not; ``reason`` is the last line it left."""

    reason: str


Outcome = Measured | Failed


@dataclass(frozen=True, kw_only=True)
class Row:
    """A contestant's rounds, and how they compare with ours.

    ``rates`` are those the table compares, one a round that succeeded: of the training loop, or of
    the whole command for a search. ``ratio`` is ours over this one's, medians both; None where
    either has no round that succeeded. ``asked`` is the ratio that finesweep promises.
    """

    key: str
    label: str
    kind: Kind
    ours: bool
    rates: tuple[float, ...]
    overall_rates: tuple[float, ...]
    seconds: float | None
    validation_accuracy: float | None
    failures: tuple[str, ...]
    ratio: float | None
    asked: float | None

    @property
    def rate(self) -> float | None:
        """The median of the rounds."""
        return median(self.rates) if self.rates else None


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """Who a row is about; ``ours`` marks the one of its kind that the others are compared with."""

    key: str
    label: str
    kind: Kind
    ours: bool = False
    asked: float | None = None


def rows(entrants: Sequence[Entrant], rounds: Sequence[Mapping[str, Outcome]]) -> list[Row]:
    """A row for every entrant that had a turn, in their order; ``rounds`` hold outcomes by key."""
    outcomes = {
        entrant: [outcomes[entrant.key] for outcomes in rounds if entrant.key in outcomes]
        for entrant in entrants
    }
    own = {
        entrant.kind: _rate(entrant, found) for entrant, found in outcomes.items() if entrant.ours
    }
    return [
        _row(entrant, found, ours=own.get(entrant.kind))
        for entrant, found in outcomes.items()
        if found
    ]


def _row(entrant: Entrant, outcomes: Sequence[Outcome], *, ours: float | None) -> Row:
    measured = [outcome for outcome in outcomes if isinstance(outcome, Measured)]
    rate = _rate(entrant, outcomes)
    return Row(
        key=entrant.key,
        label=entrant.label,
        kind=entrant.kind,
        ours=entrant.ours,
        rates=tuple(_compared(entrant, outcome) for outcome in measured),
        overall_rates=tuple(outcome.overall_rate for outcome in measured),
        seconds=median(outcome.seconds for outcome in measured) if measured else None,
        validation_accuracy=(
            median(outcome.validation_accuracy for outcome in measured) if measured else None
        ),
        failures=tuple(outcome.reason for outcome in outcomes if isinstance(outcome, Failed)),
        ratio=None if rate is None or ours is None else ours / rate,
        asked=entrant.asked,
    )


def _rate(entrant: Entrant, outcomes: Sequence[Outcome]) -> float | None:
    found = [_compared(entrant, outcome) for outcome in outcomes if isinstance(outcome, Measured)]
    return median(found) if found else None


def _compared(entrant: Entrant, outcome: Measured) -> float:
    if entrant.kind == "sweep":
        return outcome.overall_rate
    if outcome.training_rate is None:
        raise ContestError(f"expected the training time of {entrant.label}, received none")
    return outcome.training_rate
