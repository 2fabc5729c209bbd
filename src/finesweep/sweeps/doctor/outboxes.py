"""Outboxes with something in them, though nobody delivers it any more."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from finesweep.errors import FinesweepError, TrackingError
from finesweep.sweeps.deliveries import OUTBOX_FILE, deliver
from finesweep.sweeps.doctor.finding import Finding, Level
from finesweep.sweeps.doctor.situation import Situation, files_in_use
from finesweep.tracking import Delivery, Outbox, TrackingStore
from finesweep.tracking.outbox import MODELS_FOLDER

# What `finesweep train` calls the folder of one training, in work/train-<experiment>/.
TRAINING = re.compile(r"[0-9a-f]{12}")

# How long a repair waits for the tracking store to take everything, in seconds.
PATIENCE_SECONDS = 60.0


def look(situation: Situation) -> Iterator[Finding]:
    """What waits in the outboxes of sweeps and trainings that nobody runs."""
    is_well = True
    for file in idle_outboxes(situation):
        try:
            findings = list(_look_at(file, situation))
        except FinesweepError as exc:
            findings = [_finding(file, situation, str(exc), level="problem")]
        is_well = is_well and not findings
        yield from findings
    if is_well:
        what = "nothing waits to be delivered to MLflow"
        yield Finding(kind="outboxes", level="ok", subject="outboxes", what=what)


def repair(situation: Situation) -> Iterator[Finding]:
    """Deliver what lies in outboxes that no sweep of the study takes care of.

    Yields what went wrong.
    """
    if situation.tracking is None:
        return
    in_use = files_in_use()
    for file in idle_outboxes(situation):
        if _sweep_of(file, situation) is not None or file.resolve() in in_use:
            continue
        try:
            with Outbox.open(file) as outbox:
                deliver_all(outbox, situation.tracking)
        except FinesweepError as exc:
            yield _finding(file, situation, str(exc), level="problem")


def deliver_all(outbox: Outbox, tracking: TrackingStore) -> None:
    """Deliver what is there; what the store refuses is set aside.

    Raises:
        TrackingError, DiskFullError: the store does not take it now.
    """
    if not outbox.pending:
        return
    with Delivery(outbox, tracking) as delivery:
        deliver(delivery, patience=PATIENCE_SECONDS)


def idle_outboxes(situation: Situation) -> list[Path]:
    """The outboxes of sweeps and trainings that nobody runs."""
    work = situation.place.work
    files = [*work.glob(f"*/{OUTBOX_FILE}"), *work.glob(f"*/*/{OUTBOX_FILE}")]
    busy = {*situation.running, *situation.elsewhere}
    return [
        file
        for file in sorted(files)
        if not situation.is_in_use(file) and file.parent.name not in busy
    ]


@contextmanager
def looked_into(file: Path) -> Iterator[Outbox]:
    """A copy of an outbox: to open the outbox itself tidies it.

    For each model that waits there is a folder without content.

    Raises:
        TrackingError: the outbox is damaged, or was written by another version.
    """
    with TemporaryDirectory(prefix="finesweep-doctor-") as scratch:
        copy = Path(scratch) / file.name
        for suffix in ("", "-wal"):
            part = file.with_name(file.name + suffix)
            if part.exists():
                shutil.copyfile(part, copy.with_name(copy.name + suffix))
        for model in models_of(file):
            (copy.parent / MODELS_FOLDER / model).mkdir(parents=True)
        try:
            with Outbox.open(copy) as outbox:
                yield outbox
        except TrackingError as exc:
            raise TrackingError(str(exc).replace(str(copy), str(file))) from exc


def models_of(file: Path) -> set[str]:
    """The names of the folders in which models of an outbox wait."""
    folder = file.parent / MODELS_FOLDER
    return {model.name for model in folder.iterdir()} if folder.is_dir() else set()


def _look_at(file: Path, situation: Situation) -> Iterator[Finding]:
    with looked_into(file) as outbox:
        pending, refusals = outbox.pending, outbox.refusals()
    if pending:
        yield _finding(
            file,
            situation,
            f"records that wait in {file} for the tracking store: {pending}",
            level="problem",
            advice="--repair delivers them"
            + ("" if situation.tracking else ", when the tracking store is back"),
        )
    if refusals:
        first = refusals[0]
        yield _finding(
            file,
            situation,
            f"records of {file} that the tracking store refused: {len(refusals)}; the first, of "
            f"the run {first.run_id}: {first.reason}",
            level="warning",
            advice="they are of runs that were deleted, or cannot be stored: nothing is to be done",
        )


def _sweep_of(file: Path, situation: Situation) -> str | None:
    name = file.parent.name
    return name if any(name == sweep.name for sweep in situation.idle) else None


def _finding(
    file: Path, situation: Situation, what: str, *, level: Level, advice: str | None = None
) -> Finding:
    return Finding(
        kind="outboxes",
        level=level,
        subject=str(file),
        what=what,
        advice=advice,
        sweep=_sweep_of(file, situation),
        repairable=level == "problem" and advice is not None and situation.tracking is not None,
    )
