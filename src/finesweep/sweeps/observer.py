"""Who watches a sweep: the terminal's progress, a log, a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from finesweep.sweeps.engines._base import WorkerReady
from finesweep.sweeps.result import SweepResult, TrialSummary
from finesweep.sweeps.warm_start.report import SourceReport
from finesweep.tracking import DeliveryState
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Tick


class SweepObserver(Protocol):
    """Is told what happens, in the coordinator's thread; must be quick and must not raise."""

    def warm_started(self, reports: Sequence[SourceReport]) -> None:
        """Trials of earlier work came into a new study; one report for every source."""

    def sweep_started(self, total: int, done: int) -> None:
        """The study is open; ``done`` of ``total`` trials were finished by earlier calls."""

    def worker_ready(self, event: WorkerReady) -> None:
        """A worker has loaded and takes trials."""

    def trial_started(self, number: int, hyperparameters: Hyperparameters, run_id: str) -> None:
        """A trial was handed to a worker, for the first time or again."""

    def ticked(self, number: int, tick: Tick, total_ticks: int) -> None:
        """A trial reached a tick of ``total_ticks``."""

    def stopping(self, reason: str) -> None:
        """Somebody asked for the end; what runs stops at its next tick."""

    def trial_parked(self, summary: TrialSummary, then: str) -> None:
        """An attempt ended and the trial goes on later; ``then`` says how."""

    def trial_ended(self, summary: TrialSummary) -> None:
        """A trial ended for good, in whatever way."""

    def tracking_changed(self, state: DeliveryState) -> None:
        """The tracking store went away, is back, or refused something."""

    def sweep_ended(self, result: SweepResult) -> None:
        """The sweep came to its end and the best trial was selected."""


class NullObserver:
    """Watches nothing."""

    def warm_started(self, reports: Sequence[SourceReport]) -> None:
        """Ignore it."""

    def sweep_started(self, total: int, done: int) -> None:
        """Ignore it."""

    def worker_ready(self, event: WorkerReady) -> None:
        """Ignore it."""

    def trial_started(self, number: int, hyperparameters: Hyperparameters, run_id: str) -> None:
        """Ignore it."""

    def ticked(self, number: int, tick: Tick, total_ticks: int) -> None:
        """Ignore it."""

    def stopping(self, reason: str) -> None:
        """Ignore it."""

    def trial_parked(self, summary: TrialSummary, then: str) -> None:
        """Ignore it."""

    def trial_ended(self, summary: TrialSummary) -> None:
        """Ignore it."""

    def tracking_changed(self, state: DeliveryState) -> None:
        """Ignore it."""

    def sweep_ended(self, result: SweepResult) -> None:
        """Ignore it."""
