"""Sweeps that nobody runs, and trials of theirs that the study takes for running."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from finesweep.config.quantities import duration_in_words
from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.doctor.situation import IdleSweep, Situation
from finesweep.sweeps.lock import Holder
from finesweep.sweeps.progress import trials_done
from finesweep.sweeps.record import is_parked
from finesweep.sweeps.storage import translated
from finesweep.sweeps.study import left_running

# A coordinator gives a sign every half second; one of another machine that has been silent for so
# long, in seconds, is probably gone.
SILENCE_SECONDS = 300.0


def look(situation: Situation) -> Iterator[Finding]:
    """One finding a sweep."""
    for name, holder in situation.running.items():
        yield _running(name, holder)
    for name in situation.elsewhere:
        yield Finding(
            kind="sweeps",
            level="warning",
            subject=name,
            what=f"{name} has not come to its end; another machine may be running it: left alone",
            advice="if none is, the command that started the sweep goes on with it",
            sweep=name,
        )
    for name in situation.foreign:
        yield Finding(
            kind="sweeps",
            level="ok",
            subject=name,
            what=f"the study '{name}' was not made by this finesweep: left alone",
        )
    with translated(situation.place.study_url):
        for sweep in situation.idle:
            yield _idle(sweep, can_be_repaired=situation.tracking is not None)


def _running(name: str, holder: Holder) -> Finding:
    silent = time.time() - holder.seen
    what = f"{name} is being run by {holder}: left alone"
    if holder.host == socket.gethostname() or silent < SILENCE_SECONDS:
        return Finding(kind="sweeps", level="ok", subject=name, what=what, sweep=name)
    return Finding(
        kind="sweeps",
        level="warning",
        subject=name,
        what=f"{name} is held by {holder}, which last gave a sign {duration_in_words(silent)} ago",
        advice="if that machine is gone, the command that started the sweep goes on with it",
        sweep=name,
    )


def _idle(sweep: IdleSweep, *, can_be_repaired: bool) -> Finding:
    trials = sweep.study.get_trials(deepcopy=False)
    orphans = left_running(sweep.study)
    if orphans:
        numbers = ", ".join(f"t{trial.number:03d}" for trial in orphans)
        return Finding(
            kind="sweeps",
            level="problem",
            subject=sweep.name,
            what=f"{sweep.name}: nobody runs it, but the study has {numbers} as running",
            advice="the command that started the sweep goes on with it; --repair parks the trials",
            sweep=sweep.name,
            repairable=can_be_repaired,
        )
    parked = sum(map(is_parked, trials))
    waiting = f", {parked} parked until the same command goes on" if parked else ""
    what = f"{sweep.name}: {trials_done(trials)} of {sweep.config.trials} trials done{waiting}"
    return Finding(kind="sweeps", level="ok", subject=sweep.name, what=what, sweep=sweep.name)
