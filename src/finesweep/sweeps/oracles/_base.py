"""The contract of an oracle that proposes one trial.

It is built for the question, from the trials of the study, and proposes the same whenever the same
trials are there: which process asks makes no difference. Trials that run are known to it as
running, those that are enqueued by the values they are enqueued with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from finesweep.sweeps.oracles.parameters import Coded
from finesweep.sweeps.oracles.rungs import Rung


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Values of a trial, as Optuna has them, and its place in Hyperband's brackets."""

    values: dict[str, Any]
    rung: Rung | None = None


class Proposer(Protocol):
    """An oracle of KerasTuner's, with the trials it is to know."""

    def propose(self, fixed: Coded) -> Proposal | None:
        """What to try next.

        None when there is nothing, now (KerasTuner's IDLE) or at all (STOPPED). ``fixed`` are
        values that the trial has already, as KerasTuner has them: it was enqueued with them.
        """

    def has_next(self) -> bool:
        """Whether ``propose`` would propose something; takes milliseconds."""
