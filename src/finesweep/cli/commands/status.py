"""``finesweep status``: which sweeps run, and what their workers are at."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from finesweep.cli import options
from finesweep.config.quantities import duration_in_words

if TYPE_CHECKING:
    from finesweep.sweeps.status import SweepStatus, WorkerNow


def status(
    everything: Annotated[
        bool, typer.Option("--all", help="Show the sweeps too that have ended.")
    ] = False,
    study: options.Study = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Show which sweeps run, and what their workers do.

    Says how old each process is and when it last gave a sign. A sweep whose process was killed is
    shown as died: the same command goes on with it.
    """
    from finesweep.cli.console import print_json, tell
    from finesweep.sweeps.status import sweep_statuses

    work = options.STORE_FOLDER.absolute() / "work"
    statuses = sweep_statuses(options.study_url(study), work=work)
    shown = [one for one in statuses if everything or one.state != "ended"]
    if as_json:
        print_json([asdict(one) for one in shown])
        return
    for one in shown:
        tell(_sweep_line(one))
        for worker in one.workers:
            tell(_worker_line(worker))
    if not shown:
        ended = f"; {len(statuses)} have ended, --all shows them" if statuses else ""
        tell(f"no sweep runs{ended}")


def _sweep_line(one: SweepStatus) -> str:
    total = "?" if one.total is None else one.total
    parts = [f"{one.name}: {one.state}", f"{one.done} of {total} trials done"]
    if one.parked:
        parts.append(f"{one.parked} parked")
    if one.state == "running" and one.age is not None and one.seen is not None:
        age, seen = duration_in_words(one.age), duration_in_words(one.seen)
        parts.append(f"{one.process}, {age} old, last sign {seen} ago")
    elif one.state == "died":
        last = f", last sign {duration_in_words(one.seen)} ago" if one.seen is not None else ""
        parts.append(f"{one.process or 'its process'} ended without a word{last}")
        parts.append("the same command goes on with it")
    elif one.stopped_by:
        parts.append(one.stopped_by)
    return ", ".join(parts)


def _worker_line(worker: WorkerNow) -> str:
    place = f"GPU {worker.gpu}" if worker.gpu is not None else ""
    place = place or (f"cores {','.join(map(str, worker.cores))}" if worker.cores else "all cores")
    age = duration_in_words(worker.age)
    line = f"  worker {worker.slot}: process {worker.pid}, {place}, {age} old"
    if worker.trial is None:
        return f"{line}, idle"
    since = (
        f", begun {duration_in_words(worker.trial_age)} ago" if worker.trial_age is not None else ""
    )
    return f"{line}, t{worker.trial:03d} at tick {worker.tick} of {worker.ticks}{since}"
