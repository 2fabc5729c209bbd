"""Whether MLflow says of every trial what the study says, and how to make it so.

The study is the truth. What is found here can only come of an outbox that was lost, of a request
whose answer was, or of somebody's hand in one of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from finesweep.sweeps.ending import RUN_STATUS
from finesweep.sweeps.record import RUN_ID, record_of
from finesweep.sweeps.trial_runs import TrialRuns
from finesweep.tracking import ChildRun, SweepRun


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A trial and a run that do not agree.

    ``double``: a second run of the trial. ``status``: the run has not ended as the trial has.
    ``missing``: the trial's run is not in the store. ``foreign``: the study has no such trial.
    """

    kind: Literal["double", "status", "missing", "foreign"]
    trial: int
    run_id: str
    detail: str

    @property
    def can_be_mended(self) -> bool:
        """A run that somebody deleted, or made, is left to him."""
        return self.kind in ("double", "status")


def find_mismatches(study: optuna.Study, children: Sequence[ChildRun]) -> list[Mismatch]:
    """Compare every trial that has begun with the runs of the store."""
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    found = [
        mismatch
        for child in children
        if (mismatch := _compare(trials.get(child.trial), child)) is not None
    ]
    there = {child.run_id for child in children}
    found += [
        Mismatch(kind="missing", trial=number, run_id=run_id, detail="its run is not in the store")
        for number, trial in trials.items()
        if (run_id := trial.user_attrs.get(RUN_ID)) is not None and run_id not in there
    ]
    return found


def mend(
    study: optuna.Study, mismatches: Sequence[Mismatch], *, sweep_run: SweepRun, runs: TrialRuns
) -> list[Mismatch]:
    """Make MLflow say what the study says, as far as that can be; what was mended."""
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    mended = [mismatch for mismatch in mismatches if mismatch.can_be_mended]
    for mismatch in mended:
        if mismatch.kind == "double":
            sweep_run.discard(mismatch.run_id, mismatch.detail)
        else:
            record = record_of(trials[mismatch.trial])
            runs.known(mismatch.run_id).end(
                RUN_STATUS[record.ending], ending=record.ending, reason=record.reason
            )
    return mended


def _compare(trial: FrozenTrial | None, child: ChildRun) -> Mismatch | None:
    if trial is None:
        detail = "the study has no such trial"
        return Mismatch(kind="foreign", trial=child.trial, run_id=child.run_id, detail=detail)
    noted = trial.user_attrs.get(RUN_ID)
    if noted is not None and noted != child.run_id:
        detail = f"a second run of trial {trial.number}, whose own is {noted}"
        return Mismatch(kind="double", trial=trial.number, run_id=child.run_id, detail=detail)
    if trial.state == TrialState.RUNNING:
        return None
    expected = RUN_STATUS[record_of(trial).ending]
    if child.status == expected:
        return None
    detail = f"its run is {child.status}, expected {expected}"
    return Mismatch(kind="status", trial=trial.number, run_id=child.run_id, detail=detail)
