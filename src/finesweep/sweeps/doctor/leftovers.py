"""Files that nobody will use again: of trials and trainings that ended, and of processes killed.

A resume point of a trial that may go on is never among them. The working folder of a sweep that
the study database does not know may be another database's: what lies in it that a trial could go on
from is told of, and left.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from finesweep.config.quantities import size_in_words
from finesweep.errors import FinesweepError
from finesweep.sweeps.deliveries import OUTBOX_FILE
from finesweep.sweeps.doctor import trainings
from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.doctor.outboxes import looked_into, models_of
from finesweep.sweeps.doctor.situation import IdleSweep, Situation, files_in_use
from finesweep.sweeps.lock import lock_path, read_holder
from finesweep.sweeps.oracles.rungs import rung_of
from finesweep.sweeps.retention import TRIAL_FOLDER, folder_size
from finesweep.sweeps.starting import RESUME_POINT
from finesweep.sweeps.storage import database_file, parse_url, translated
from finesweep.sweeps.study import ENDED

SELECTED = "selected"
LOGS = "logs"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file or folder that can go, and why."""

    path: Path
    why: str

    @property
    def size(self) -> int:
        """Its bytes on disk."""
        if self.path.is_dir():
            return folder_size(self.path)
        with suppress(OSError):
            return self.path.lstat().st_size
        return 0

    def remove(self) -> None:
        """Remove it; what cannot be removed shows when it is looked for again."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


def look(situation: Situation) -> Iterator[Finding]:
    """What can go, and what somebody should look at."""
    is_well = True
    found: list[tuple[Leftover, str | None]] = []
    with translated(situation.place.study_url):
        for sweep in situation.idle:
            found.extend((leftover, sweep.name) for leftover in of_sweep(sweep))
    found.extend((leftover, None) for leftover in of_nobody(situation))
    for leftover, name in found:
        is_well = False
        yield Finding(
            kind="leftovers",
            level="warning",
            subject=str(leftover.path),
            what=f"{leftover.path}: {leftover.why} ({size_in_words(leftover.size)})",
            advice="--repair removes it",
            sweep=name,
            repairable=True,
        )
    for folder in unknown_with_work(situation):
        is_well = False
        yield Finding(
            kind="leftovers",
            level="warning",
            subject=str(folder),
            what=f"{folder}: resume points of a sweep that {situation.place.study_url} does not "
            f"know ({size_in_words(folder_size(folder))})",
            advice="another study database may have it (--study); if none has, remove the folder",
        )
    if is_well:
        yield Finding(
            kind="leftovers", level="ok", subject="leftovers", what="nothing was left lying about"
        )


def repair(situation: Situation) -> None:
    """Remove what belongs to no sweep; a sweep's own is removed under its lock."""
    # Somebody may have begun to use what nobody used.
    now = replace(situation, in_use=files_in_use())
    for leftover in of_nobody(now):
        leftover.remove()


def of_sweep(sweep: IdleSweep) -> Iterator[Leftover]:
    """What can go of a sweep that nobody runs."""
    trials = sweep.study.get_trials(deepcopy=False)
    states = {trial.number: trial.state for trial in trials}
    goes_on = not sweep.study.user_attrs.get(ENDED, False)
    for folder in sorted(sweep.workdir.glob(f"{TRIAL_FOLDER}*")):
        number = folder.name.removeprefix(TRIAL_FOLDER)
        if not number.isdigit():
            continue
        state = states.get(int(number))
        if state is None:
            continue  # Of another study of this name, perhaps: nobody can tell.
        if state.is_finished() and goes_on and rung_of(trials[int(number)]) is not None:
            yield from _of_attempts(folder)
        elif state.is_finished():
            yield Leftover(path=folder, why="files of a trial that has ended")
        else:
            yield from _of_attempts(folder)
    if (sweep.workdir / SELECTED).exists():
        yield Leftover(path=sweep.workdir / SELECTED, why="a model that was to be measured")
    yield from _strays(sweep.workdir / OUTBOX_FILE)


def of_nobody(situation: Situation) -> Iterator[Leftover]:
    """What can go that belongs to no sweep of the study database."""
    yield from _holders(situation)
    for folder in trainings.folders(situation):
        if _is_delivered(folder / OUTBOX_FILE):
            yield Leftover(path=folder, why="a training whose process is gone")
    for folder in _unknown(situation):
        if not _resume_points(folder) and _is_delivered(folder / OUTBOX_FILE):
            yield Leftover(path=folder, why="the study database knows no such sweep")


def unknown_with_work(situation: Situation) -> list[Path]:
    """Working folders of unknown sweeps that hold what a trial could go on from."""
    return [folder for folder in _unknown(situation) if _resume_points(folder)]


def _of_attempts(folder: Path) -> Iterator[Leftover]:
    """What an attempt that was killed left beside the resume point."""
    for path in sorted(folder.iterdir()):
        if path.name != RESUME_POINT:
            yield Leftover(path=path, why="left by an attempt that was killed")


def _strays(outbox: Path) -> Iterator[Leftover]:
    """Models in an outbox's folder of which it knows nothing."""
    there = models_of(outbox)
    if not there or not outbox.exists():
        return
    # A damaged outbox is told of as such.
    with suppress(FinesweepError), looked_into(outbox) as copy:
        known = {model.name for model in copy.models.iterdir()}
        for name in sorted(there - known):
            path = outbox.with_name(copy.models.name) / name
            yield Leftover(path=path, why="a model that no record names")


def _holders(situation: Situation) -> Iterator[Leftover]:
    """What coordinators that were killed left beside the lock of their study."""
    if situation.names is None:
        return
    place = situation.place
    file = database_file(parse_url(place.study_url))
    if file is None:
        found = {path: path.stem for path in place.work.glob("*/*.holder")}
    else:
        prefix = f"{file.name}."
        found = {
            path: path.stem.removeprefix(prefix) for path in file.parent.glob(f"{prefix}*.holder")
        }
    for path, name in sorted(found.items()):
        lock = lock_path(place.study_url, name, workdir=place.workdir(name))
        holder = read_holder(place.study_url, name, workdir=place.workdir(name))
        if holder is None or not holder.is_alive:
            yield Leftover(path=path, why="signed by a process that is gone")
            yield from (
                Leftover(path=partial, why="a signature that was not finished")
                for partial in lock.parent.glob(f"{path.name}.partial")
            )


def _unknown(situation: Situation) -> list[Path]:
    """Working folders that belong to no study; none where it is not known which there are."""
    if situation.names is None or not situation.place.work.is_dir():
        return []
    return [
        folder
        for folder in sorted(situation.place.work.iterdir())
        if folder.is_dir()
        and folder.name not in situation.names
        and _is_a_sweeps(folder)
        and not situation.is_in_use(folder)
    ]


def _is_a_sweeps(folder: Path) -> bool:
    """Whether it looks like a sweep's: that of a training's experiment has only logs beside it."""
    return (folder / OUTBOX_FILE).exists() or bool(_trials(folder))


def _trials(folder: Path) -> list[Path]:
    return list(folder.glob(f"{TRIAL_FOLDER}*"))


def _resume_points(folder: Path) -> list[Path]:
    return list(folder.glob(f"{TRIAL_FOLDER}*/{RESUME_POINT}"))


def _is_delivered(outbox: Path) -> bool:
    """Whether nothing waits in it; one that is damaged is left for the user to move away."""
    if not outbox.exists():
        return True
    try:
        with looked_into(outbox) as copy:
            return not copy.pending
    except FinesweepError:
        return False
