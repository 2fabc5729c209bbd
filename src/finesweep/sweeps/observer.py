"""Who watches a sweep: the terminal's progress, a log, a test."""

from __future__ import annotations

from typing import Protocol

from finesweep.sweeps.result import SweepResult, TrialSummary
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Tick


class SweepObserver(Protocol):
    """Is told what happens, in the coordinator's thread; must be quick and must not raise."""

    def sweep_started(self, total: int, done: int) -> None:
        """The study is open; ``done`` of ``total`` trials were finished by earlier calls."""

    def trial_started(self, number: int, hyperparameters: Hyperparameters, run_id: str) -> None:
        """A trial was handed to a worker."""

    def ticked(self, number: int, tick: Tick, total_ticks: int) -> None:
        """A trial reached a tick of ``total_ticks``."""

    def trial_ended(self, summary: TrialSummary) -> None:
        """A trial ended, in whatever way."""

    def sweep_ended(self, result: SweepResult) -> None:
        """The sweep came to its end and the best trial was selected."""


class NullObserver:
    """Watches nothing."""

    def sweep_started(self, total: int, done: int) -> None:
        """Ignore it."""

    def trial_started(self, number: int, hyperparameters: Hyperparameters, run_id: str) -> None:
        """Ignore it."""

    def ticked(self, number: int, tick: Tick, total_ticks: int) -> None:
        """Ignore it."""

    def trial_ended(self, summary: TrialSummary) -> None:
        """Ignore it."""

    def sweep_ended(self, result: SweepResult) -> None:
        """Ignore it."""
