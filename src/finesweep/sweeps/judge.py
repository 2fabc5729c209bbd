"""What becomes of a trial at a tick: it goes on, or there is a reason why it does not."""

from __future__ import annotations

import math
from time import monotonic

from finesweep.config import SweepConfig
from finesweep.sweeps.attempts import ALWAYS_AGAIN
from finesweep.sweeps.ending import RunningTrial, Verdict
from finesweep.sweeps.pruners import describe_verdict
from finesweep.sweeps.stopping import StopRequest
from finesweep.training.progress import Answer, Tick


class Judge:
    """Judges by the metric, the pruner, the sweep's time and whoever asked it to stop."""

    def __init__(self, config: SweepConfig, *, stop: StopRequest) -> None:
        self._config = config
        self._stop = stop
        self._deadline = math.inf if config.timeout is None else monotonic() + config.timeout

    @property
    def time_is_up(self) -> bool:
        """Whether the sweep has used the time this call may take."""
        return monotonic() >= self._deadline

    def at_tick(self, running: RunningTrial, tick: Tick) -> Verdict | None:
        """Why the trial ends at this tick; None if it goes on.

        Ticks before the newest that an earlier attempt reported were judged then. A trial at its
        last tick has nothing left to save.
        """
        metric = self._config.experiment.metric
        value = tick.metrics.get(metric)
        if value is None:
            return Verdict(ending="failed", reason=f"tick {tick.number} reported no {metric}")
        if not math.isfinite(value):
            reason = f"diverged: {metric} is {value} at tick {tick.number}"
            return Verdict(ending="diverged", reason=reason)
        last = tick.number >= running.total_ticks
        newest = tick.number >= max(running.reported, default=0)
        if tick.number not in running.reported:
            running.trial.report(value, step=tick.number)
            running.reported.add(tick.number)
        # Asked even at the last tick, where rungs take note of the value; and again at the newest
        # one that an earlier attempt reported, which may not have lived to hear the answer.
        if newest and running.trial.should_prune() and not last:
            why = describe_verdict(self._config.pruner)
            reason = f"pruned at tick {tick.number}: {metric} {value:.4g} is {why}"
            return Verdict(ending="pruned", reason=reason)
        where = f"at tick {tick.number} of {running.total_ticks}"
        return None if last else self.between_ticks(where)

    def between_ticks(self, where: str) -> Verdict | None:
        """Why a trial ends wherever it is: somebody asked, or the time is up."""
        if self._stop.ending is not None:
            reason = f"{self._stop.ending}: {self._stop.reason}, {where}"
            return Verdict(ending=self._stop.ending, reason=reason)
        if self.time_is_up:
            reason = f"timeout: stopped {where}"
            return Verdict(ending="interrupted", reason=reason)
        return None


def answer_for(verdict: Verdict | None) -> Answer:
    """What the worker is told: a trial that will go on keeps a resume point."""
    if verdict is None:
        return "continue"
    return "park" if verdict.ending in ALWAYS_AGAIN else "stop"
