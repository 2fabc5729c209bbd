"""Everybody in turn, A B C A B C, for as long as nobody stops it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from benchmarks.compare.contestants import Contestant
from benchmarks.compare.outcome import ContestError, Failed, Measured, Outcome
from benchmarks.compare.roofline import Peaks
from benchmarks.compare.work import Work

Found = TypeVar("Found")


@dataclass(kw_only=True)
class Turns:
    """What came of them: for each round begun the machine's peaks just before it and the outcomes
    by key, and whether they were all.
    """

    peaks: list[Peaks | Failed] = field(default_factory=list)
    rounds: list[dict[str, Outcome]] = field(default_factory=list)
    stopped: bool = False

    def beside_peaks(self, key: str) -> list[tuple[Peaks, float | None]]:
        """Every round's peaks with the training rate of ``key``, None where it has none.

        A round whose peaks could not be measured is left out.
        """
        return [
            (peaks, found.training_rate if isinstance(found, Measured) else None)
            for peaks, found in zip(
                self.peaks, (outcomes.get(key) for outcomes in self.rounds), strict=True
            )
            if not isinstance(peaks, Failed)
        ]


def take_turns(
    chosen: Sequence[Contestant],
    work: Work,
    *,
    measure_peaks: Callable[[Path], Peaks],
    rounds: int,
    folder: Path,
    console: Console,
) -> Turns:
    """Run everybody ``rounds`` times, each in a folder of its own, and say how it went.

    A contestant that fails has an outcome too. Control-C ends the turns; what was measured until
    then is returned, unless it is nothing: then ``KeyboardInterrupt`` goes on.
    """
    turns = Turns()
    try:
        for number in range(1, rounds + 1):
            # Others each round: MLflow's client keeps a database open that is there.
            place = folder / f"round-{number}"
            turns.peaks.append(_unless_it_fails(measure_peaks, place / "peaks"))
            turns.rounds.append({})
            for contestant in chosen:
                entrant = contestant.entrant
                run = partial(contestant.run, work)
                outcome = _unless_it_fails(run, place / entrant.key)
                turns.rounds[-1][entrant.key] = outcome
                console.print(
                    f"round {number} of {rounds}, {entrant.label}: {_in_words(outcome)}",
                    markup=False,
                    soft_wrap=True,
                )
    except KeyboardInterrupt:
        if not any(turns.rounds):
            raise
        turns.stopped = True
    return turns


def _unless_it_fails(run: Callable[[Path], Found], folder: Path) -> Found | Failed:
    try:
        return run(folder)
    except ContestError as error:
        return Failed(reason=str(error))


def _in_words(outcome: Outcome) -> str:
    if isinstance(outcome, Failed):
        return f"failed: {outcome.reason}"
    return f"{_rate(outcome):.1f} examples/s, {outcome.seconds:.0f} s in all"


def _rate(outcome: Measured) -> float:
    return outcome.overall_rate if outcome.training_rate is None else outcome.training_rate
