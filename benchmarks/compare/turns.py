"""Everybody in turn, A B C A B C, for as long as nobody stops it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.compare.contestants import Contestant
from benchmarks.compare.outcome import ContestError, Failed, Measured, Outcome
from benchmarks.compare.work import Work


@dataclass(kw_only=True)
class Turns:
    """What came of them: for each round begun the outcomes by key, and whether they were all."""

    rounds: list[dict[str, Outcome]] = field(default_factory=list)
    stopped: bool = False


def take_turns(
    chosen: Sequence[Contestant], work: Work, *, rounds: int, folder: Path, console: Console
) -> Turns:
    """Run everybody ``rounds`` times, each in a folder of its own, and say how it went.

    A contestant that fails has an outcome too. Control-C ends the turns; what was measured until
    then is returned, unless it is nothing: then ``KeyboardInterrupt`` goes on.
    """
    turns = Turns()
    try:
        for number in range(1, rounds + 1):
            turns.rounds.append({})
            for contestant in chosen:
                entrant = contestant.entrant
                # Another one each round: MLflow's client keeps a database open that is there.
                outcome = _outcome(contestant, work, folder / f"round-{number}" / entrant.key)
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


def _outcome(contestant: Contestant, work: Work, folder: Path) -> Outcome:
    try:
        return contestant.run(work, folder)
    except ContestError as error:
        return Failed(reason=str(error))


def _in_words(outcome: Outcome) -> str:
    if isinstance(outcome, Failed):
        return f"failed: {outcome.reason}"
    return f"{_rate(outcome):.1f} examples/s, {outcome.seconds:.0f} s in all"


def _rate(outcome: Measured) -> float:
    return outcome.overall_rate if outcome.training_rate is None else outcome.training_rate
