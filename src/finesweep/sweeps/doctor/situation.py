"""What there is at this moment: the sweeps, which of them run, and what other processes use."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import optuna
import psutil

from finesweep.config import SweepConfig
from finesweep.sweeps.doctor.place import Place
from finesweep.sweeps.doctor.stores import Stores
from finesweep.sweeps.lock import Holder, read_holder
from finesweep.sweeps.storage import database_file, parse_url, translated
from finesweep.sweeps.study import NOT_ENDED, STOPPED_BY, stored_configuration
from finesweep.tracking import TrackingStore


@dataclass(frozen=True, kw_only=True)
class IdleSweep:
    """A sweep that nobody runs, with its working folder."""

    name: str
    study: optuna.Study
    config: SweepConfig
    workdir: Path


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the checks look at.

    ``tracking`` is None where the store does not answer, or there is none. ``names`` are those of
    all studies of the database; None where it cannot be read: then no sweep is taken for unknown.
    ``elsewhere`` are sweeps of a database server that another machine may be running: its lock is
    not seen from here. ``foreign`` studies were not made by this finesweep.
    """

    place: Place
    tracking: TrackingStore | None
    names: frozenset[str] | None
    idle: tuple[IdleSweep, ...]
    running: dict[str, Holder]
    elsewhere: tuple[str, ...]
    foreign: tuple[str, ...]
    in_use: frozenset[Path]

    @property
    def studies(self) -> list[optuna.Study]:
        """The studies of the sweeps that nobody runs."""
        return [sweep.study for sweep in self.idle]

    def is_in_use(self, path: Path) -> bool:
        """Whether another process has the file open, or one below the folder."""
        return any(used.is_relative_to(path.resolve()) for used in self.in_use)


def take_stock(place: Place, stores: Stores) -> Situation:
    """Look at every study there is.

    Raises:
        StudyError: the database cannot be read.
    """
    idle: list[IdleSweep] = []
    running: dict[str, Holder] = {}
    elsewhere: list[str] = []
    foreign: list[str] = []
    names: list[str] = []
    with translated(place.study_url):
        if stores.storage is not None:
            names = optuna.get_all_study_names(stores.storage)
        for name in names:
            workdir = place.workdir(name)
            holder = read_holder(place.study_url, name, workdir=workdir)
            if holder is not None and holder.is_alive:
                running[name] = holder
                continue
            study = optuna.load_study(storage=stores.storage, study_name=name)
            config = stored_configuration(study.user_attrs)
            if config is None:
                foreign.append(name)
            elif holder is None and _may_run_elsewhere(study, place):
                elsewhere.append(name)
            else:
                idle.append(IdleSweep(name=name, study=study, config=config, workdir=workdir))
    return Situation(
        place=place,
        tracking=stores.tracking,
        names=frozenset(names) if stores.studies_known else None,
        idle=tuple(idle),
        running=running,
        elsewhere=tuple(elsewhere),
        foreign=tuple(foreign),
        in_use=files_in_use(),
    )


def files_in_use() -> frozenset[Path]:
    """The files that other processes of this user have open; only those the system tells of."""
    found: set[Path] = set()
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with suppress(psutil.Error, OSError):
            found |= {Path(file.path) for file in process.open_files()}
    return frozenset(found)


def _may_run_elsewhere(study: optuna.Study, place: Place) -> bool:
    """Whether a sweep that nobody signed for on this machine may be another's."""
    is_on_server = database_file(parse_url(place.study_url)) is None
    return is_on_server and study.user_attrs.get(STOPPED_BY, NOT_ENDED) == NOT_ENDED
