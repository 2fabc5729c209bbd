"""One examination: look, and if asked to, repair and look again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import get_args

from finesweep.errors import FinesweepError
from finesweep.sweeps.doctor import (
    environment,
    free_disk,
    leftovers,
    mending,
    models,
    outboxes,
    runs,
    sweeps,
    trainings,
    workers,
)
from finesweep.sweeps.doctor.finding import Finding, Kind
from finesweep.sweeps.doctor.place import Place
from finesweep.sweeps.doctor.situation import Situation, take_stock
from finesweep.sweeps.doctor.stores import Stores, artifact_folders, open_stores
from finesweep.tracking.store import impatience

# What a request to a tracking server may take, in seconds.
REQUEST_SECONDS = 5


def examine(place: Place, *, repair: bool = False) -> list[Finding]:
    """Everything the doctor finds, in the order of its kinds; nothing is touched but to repair.

    A finding that was repaired is among them, marked so. Whatever cannot be read or reached is a
    finding, not an error.
    """
    standing = [
        *_guarded("environment", environment.look),
        *_guarded("disk", lambda: free_disk.look(place)),
    ]
    with impatience(seconds=REQUEST_SECONDS):
        before, situation = _look(place)
        if not repair:
            return _ordered([*standing, *before])
        failures = _repair(situation, before)
        after, _ = _look(place)
    repaired = [
        replace(finding, repaired=True)
        for finding in before
        if finding.repairable and not any(finding.is_same_as(other) for other in after)
    ]
    return _ordered([*standing, *repaired, *failures, *after])


def _look(place: Place) -> tuple[list[Finding], Situation]:
    stores = open_stores(place)
    found = list(stores.findings)
    try:
        situation = take_stock(place, stores)
    except FinesweepError as exc:
        found.append(_trouble("sweeps", exc))
        situation = take_stock(place, replace(stores, storage=None, studies_known=False))
    if _is_untouched(place, stores):
        what = f"nothing was run here yet: there is neither {place.root} nor a study database"
        nothing = Finding(kind="stores", level="ok", subject="stores", what=what)
        return [nothing, *_guarded("workers", workers.look)], situation
    tracking = situation.tracking
    if tracking is not None:
        found += _guarded("stores", lambda: artifact_folders(tracking, situation.studies))
    found += _guarded("sweeps", lambda: sweeps.look(situation))
    found += _guarded("runs", lambda: runs.look(situation))
    found += _guarded("runs", lambda: trainings.look(situation))
    found += _guarded("workers", workers.look)
    found += _guarded("outboxes", lambda: outboxes.look(situation))
    found += _guarded("leftovers", lambda: leftovers.look(situation))
    found += _guarded("leftovers", lambda: models.look(situation))
    return found, situation


def _repair(situation: Situation, findings: Iterable[Finding]) -> list[Finding]:
    """Put right what can be; what went wrong with that."""
    # A worker that lives on might still write where files are about to go.
    workers.repair()
    failed: list[Finding] = []
    broken = {finding.sweep for finding in findings if finding.repairable and finding.sweep}
    for name in sorted(broken):
        failed += mending.repair(name, place=situation.place, tracking=situation.tracking)
    failed += _guarded("outboxes", lambda: outboxes.repair(situation))
    failed += _guarded("runs", lambda: trainings.repair(situation))
    leftovers.repair(situation)
    return failed


def _is_untouched(place: Place, stores: Stores) -> bool:
    is_well = not any(finding.is_open for finding in stores.findings)
    return (
        is_well and stores.tracking is None and stores.storage is None and not place.work.exists()
    )


def _guarded(kind: Kind, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check finds, with what stopped it, if something did."""
    found: list[Finding] = []
    try:
        for finding in check():
            found.append(finding)  # noqa: PERF402 - what was found before an error is kept
    except (FinesweepError, OSError) as exc:
        found.append(_trouble(kind, exc))
    return found


def _trouble(kind: Kind, exc: Exception) -> Finding:
    return Finding(kind=kind, level="problem", subject=kind, what=str(exc))


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    kinds = list(get_args(Kind))
    return sorted(findings, key=lambda finding: kinds.index(finding.kind))
