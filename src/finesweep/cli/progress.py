"""Progress of what lasts: a live display on a terminal, plain lines in a pipe or a log.

A terminal that cannot move its cursor (``TERM=dumb``) gets the lines of a log.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from finesweep.cli.console import notes

if TYPE_CHECKING:
    from finesweep.sweeps.engines._base import WorkerReady
    from finesweep.sweeps.result import SweepResult, TrialStateName, TrialSummary
    from finesweep.sweeps.warm_start.report import SourceReport
    from finesweep.tracking import DeliveryState
    from finesweep.training.hyperparameters import Hyperparameters
    from finesweep.training.progress import Tick

_LINE_SECONDS = 2.0  # what lasts longer is worth a line in a log


class StepProgress:
    """Shows steps such as a download: ``(what, done, total)``, total None when it is not known."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or notes()
        self._live = _live_display(self._console)
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> StepProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show how far a step has come."""
        if self._live.disable:
            self._tell(what, done, total)
            return
        if what not in self._tasks:
            self._tasks[what] = self._live.add_task(what, total=total)
        self._live.update(self._tasks[what], completed=done, total=total)

    def _tell(self, what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._told.setdefault(what, now) >= _LINE_SECONDS:
            self._told[what] = now
            share = f"{done:,} of {total:,}" if total else f"{done:,}"
            self._console.print(f"{what}: {share}", markup=False, soft_wrap=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner on a terminal, one line in a log, while something of unknown length lasts."""
    console = notes()
    if console.is_interactive:
        with console.status(escape(what)):
            yield
    else:
        console.print(what, markup=False, soft_wrap=True)
        yield


class SweepProgress:
    """Watches a sweep, or a single fine-tuning: a line a trial that ended, and what runs now."""

    def __init__(self, *, metric: str, console: Console | None = None) -> None:
        self._metric = metric
        self._console = console or notes()
        self._live = _live_display(self._console)
        self._trials: dict[int, TaskID] = {}
        self._sweep = self._live.add_task("opening the study", total=None)
        self._worker_loads = True
        self._left = 0
        self._refused = 0

    def __enter__(self) -> SweepProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def warm_started(self, reports: Sequence[SourceReport]) -> None:
        """Trials of earlier work came into a new study."""
        for report in reports:
            self._say(f"warm start: {report}")

    def sweep_started(self, total: int, done: int) -> None:
        """The study is open."""
        self._left = total - done
        self._live.update(
            self._sweep, description="trials", total=total, completed=done, visible=total > 1
        )
        if done and self._left:
            self._say(f"going on: {done} of {total} trials are done")

    def worker_ready(self, event: WorkerReady) -> None:
        """A worker has loaded."""
        if event.replaces is None:
            self._log(f"worker {event.slot} is ready")
        else:
            self._say(f"worker {event.slot} was replaced: {event.replaces}")

    def trial_started(self, number: int, hyperparameters: Hyperparameters, run_id: str) -> None:
        """A trial was handed to a worker."""
        del run_id
        trial = f"t{number:03d}"
        doing = "loading TensorFlow" if self._worker_loads else "training"
        self._trials[number] = self._live.add_task(f"{trial} {doing}", total=None)
        self._log(f"{trial} started   {values_line(hyperparameters)}")
        if self._worker_loads:
            self._log("a worker process starts: loading TensorFlow takes some seconds")
            self._worker_loads = False

    def ticked(self, number: int, tick: Tick, total_ticks: int) -> None:
        """A trial reached a tick."""
        value = tick.metrics.get(self._metric, float("nan"))
        speed = tick.metrics.get("examples_per_second", float("nan"))
        told = f"{self._metric} {value:.4f}, {speed:.0f} examples/s"
        self._live.update(
            self._trials[number],
            completed=tick.number,
            total=total_ticks,
            description=f"t{number:03d} {told}",
        )
        self._log(f"t{number:03d} tick {tick.number}/{total_ticks}  {told}")

    def stopping(self, reason: str) -> None:
        """Somebody asked for the end."""
        self._say(
            f"{reason}: trials keep a resume point at their next tick and stop; the same again "
            "stops at once, and they go on from their last epoch"
        )

    def trial_parked(self, summary: TrialSummary, then: str) -> None:
        """An attempt ended and the trial goes on later."""
        self._say(f"{self._ended(summary)}; {then}")

    def trial_ended(self, summary: TrialSummary) -> None:
        """A trial ended for good, in whatever way."""
        self._say(self._ended(summary))
        self._left -= 1
        self._live.advance(self._sweep)
        if not self._left:
            self._live.update(self._sweep, description="selecting the best trial")

    def tracking_changed(self, state: DeliveryState) -> None:
        """The tracking store went away, is back, or refused something."""
        if state.refused > self._refused:
            self._refused = state.refused
            self._say(
                f"the tracking store refused {state.refused} records, which are set aside: "
                "'finesweep doctor' says which and why"
            )
        elif state.away_since is None:
            self._say("the tracking store is back: what waited for it is delivered")
        else:
            self._say(
                f"the tracking store does not answer ({state.reason}): the sweep goes on, what is "
                "measured waits on disk"
            )

    def sweep_ended(self, result: SweepResult) -> None:
        """The sweep came to its end; the table is printed by the command."""
        self._say(result.stopped_by)

    def _ended(self, summary: TrialSummary) -> str:
        """The line of an attempt that ended, which is no longer shown as running."""
        self._live.remove_task(self._trials.pop(summary.number))
        value = summary.metrics.get(self._metric)
        told = f"{self._metric} {value:.4f}" if value is not None else "no result"
        seconds = f", {summary.seconds:.0f} s" if summary.seconds is not None else ""
        reason = f"  ({summary.reason})" if summary.reason else ""
        return f"t{summary.number:03d} {in_words(summary.state):<9} {told}{seconds}{reason}"

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def _log(self, line: str) -> None:
        """Say what the live display shows by itself."""
        if self._live.disable:
            self._say(line)


def in_words(state: TrialStateName) -> str:
    """The state of a trial for people: ``out of memory``."""
    return state.replace("_", " ")


def values_line(hyperparameters: Hyperparameters) -> str:
    """Hyperparameters as they stand in a line of a log."""
    return "  ".join(f"{name}={value:g}" for name, value in hyperparameters.as_dict().items())


def _live_display(console: Console) -> Progress:
    columns: list[Any] = [
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    disable = not console.is_interactive
    return Progress(*columns, console=console, transient=True, disable=disable)
