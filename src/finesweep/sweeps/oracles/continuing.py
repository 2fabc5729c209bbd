"""Trials that go on where another ended: whose resume points are kept, and how they are passed on.

Hyperband promotes a trial by a new one with the same values and more epochs. The new trial starts
from the resume point of the old one, which has its own file from then on.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig
from finesweep.sweeps.oracles.brackets import Brackets
from finesweep.sweeps.oracles.rungs import Rung, rung_of
from finesweep.sweeps.retention import TRIAL_FOLDER

Placed = tuple[FrozenTrial, Rung]


def take_over_point(trial: FrozenTrial, *, resume_point: Path) -> None:
    """Give a promoted trial the resume point it starts from; ``resume_point`` is its own file.

    A trial that has a point already keeps it. If that of the trial it continues is gone, it trains
    from its beginning, to the same result.
    """
    rung = rung_of(trial)
    if rung is None or rung.continues is None:
        return
    folder = resume_point.parent
    source = folder.with_name(f"{TRIAL_FOLDER}{rung.continues:03d}") / resume_point.name
    if resume_point.exists() or not source.exists():
        return
    try:
        # A point is replaced, never written to: the two files part at the next one.
        os.link(source, resume_point)
    except OSError:
        partial = resume_point.with_suffix(".copy")
        shutil.copyfile(source, partial)
        partial.replace(resume_point)


def lineage(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trial, the one it goes on from, the one that one went on from, and so on."""
    line = [trial]
    while (rung := rung_of(line[-1])) is not None and rung.continues is not None:
        line.append(trials[rung.continues])
    return line


def points_needed(trials: Sequence[FrozenTrial], config: SweepConfig) -> set[int]:
    """The ended trials from whose resume points others may still start."""
    if not config.sampler.is_hyperband:
        return set()
    brackets: dict[int, list[Placed]] = defaultdict(list)
    for trial in trials:
        rung = rung_of(trial)
        if rung is not None:
            brackets[rung.bracket].append((trial, rung))
    plan = Brackets.of(config)
    sign = 1 if config.experiment.direction == "maximize" else -1
    return {
        number
        for nth, placed in brackets.items()
        for number in _needed_in(placed, sizes=plan.sizes(nth), sign=sign)
    }


def remove_ended(
    trials: Sequence[FrozenTrial], config: SweepConfig, *, workdir: Path, keep: str
) -> None:
    """Remove the folders of trials that have ended.

    Of one whose resume point is needed all but that goes: the file called ``keep``.
    """
    needed = points_needed(trials, config)
    for folder in workdir.glob(f"{TRIAL_FOLDER}*"):
        number = folder.name.removeprefix(TRIAL_FOLDER)
        # Trials are in the order of their numbers, none missing.
        in_study = number.isdigit() and int(number) < len(trials)
        if not in_study or not trials[int(number)].state.is_finished():
            continue
        if int(number) not in needed:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != keep:
                entry.unlink(missing_ok=True)


def _needed_in(placed: Sequence[Placed], *, sizes: Sequence[int], sign: int) -> set[int]:
    """Those of a bracket that could still be promoted, or are just being.

    KerasTuner promotes the best that is left, as long as more completed ones are left than the two
    rounds differ in size. One that failed leaves a place empty in every later round.
    """
    needed = {
        rung.continues
        for trial, rung in placed
        if rung.continues is not None and not trial.state.is_finished()
    }
    gone = {rung.continues for _, rung in placed}
    to_start = sizes[0]
    for turn, (size, next_size) in enumerate(pairwise(sizes)):
        here = [trial for trial, rung in placed if rung.round == turn]
        to_start -= len(here) if turn == 0 else 0
        completed = [trial for trial in here if trial.state == TrialState.COMPLETE]
        left = [trial for trial in completed if trial.number not in gone]
        to_come = to_start + sum(not trial.state.is_finished() for trial in here)
        promoted = sum(rung.round == turn + 1 for _, rung in placed)
        most = min(next_size - promoted, len(left) + to_come - (size - next_size))
        to_start = max(most, 0)
        ranked = sorted(left, key=lambda trial: (-sign * trial.value, trial.number))
        needed |= {trial.number for trial in ranked[:to_start]}
    return needed
