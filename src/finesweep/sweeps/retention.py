"""Which trials keep their model: the best so many, as far as the disk's limit allows.

The study remembers what is kept (its attribute ``kept``: trial number to bytes), so that a sweep
that goes on, or is continued with another ``keep_checkpoints``, removes what is too much. Nobody
else writes it while a sweep runs, so it is read once. A model that a registered version points to
is not removed from the store, whatever is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig
from finesweep.config.quantities import size_in_words
from finesweep.sweeps.disk import DiskPlan

KEPT = "kept"
TRIAL_FOLDER = "trial-"

Remove = Callable[[int, str], None]


class Retention:
    """Decides, trial by trial, whose model stays."""

    def __init__(self, study: optuna.Study, config: SweepConfig, *, workdir: Path) -> None:
        self._study = study
        self._config = config
        self._workdir = workdir
        self._kept = _stored(study)

    def is_worth_keeping(self, value: float) -> bool:
        """Whether a trial that completes with ``value`` would be among those that are kept."""
        keep = self._config.keep_checkpoints
        if keep == "all":
            return True
        completed = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return sum(not self._is_better(value, trial.value) for trial in completed) < keep

    def why_not_kept(self) -> str:
        """Why a model is not kept that is not good enough."""
        return f"not among the best {self._config.keep_checkpoints}"

    def note(self, number: int, size: int) -> None:
        """The model of a trial, of ``size`` bytes, is on its way to its run."""
        self._write({**self._kept, number: size})

    def held(self) -> DiskPlan:
        """What the sweep has on disk already, of what it plans to have."""
        return DiskPlan(models=sum(self._kept.values()), working=self._working())

    def tidy(self, remove: Remove) -> None:
        """Let ``remove(number, reason)`` take away the models that are too many, or too much."""
        kept = self._kept
        trials = self._study.get_trials(deepcopy=False)
        ranked = self._ranked([trials[number] for number in kept])
        keep = self._config.keep_checkpoints
        limit = self._config.disk_limit
        # A model may have been on its way when its trial's process died, and the trial failed then.
        without_result = [
            number
            for number in kept
            if trials[number].state in (TrialState.PRUNED, TrialState.FAIL)
        ]
        surplus = dict.fromkeys(without_result, "its trial has no result")
        if keep != "all":
            surplus |= dict.fromkeys(ranked[keep:], self.why_not_kept())
        working = self._working() if limit is not None else 0
        # The best stays, whatever the limit: without it the sweep would have no result.
        for number in reversed(ranked[1:]):
            total = working + sum(kept[other] for other in ranked if other not in surplus)
            if limit is None or total <= limit:
                break
            surplus.setdefault(number, f"the sweep's limit is {size_in_words(limit)} of disk")
        for number, reason in surplus.items():
            remove(number, reason)
        if surplus:
            self._write({number: size for number, size in kept.items() if number not in surplus})

    def _working(self) -> int:
        """What resume points and unfinished checkpoints take up."""
        return sum(map(folder_size, self._workdir.glob(f"{TRIAL_FOLDER}*")))

    def _ranked(self, trials: Sequence[FrozenTrial]) -> list[int]:
        """The numbers of those that completed, the best first, the earliest of equals."""
        completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        sign = -1 if self._config.experiment.direction == "maximize" else 1
        completed.sort(key=lambda trial: (sign * trial.value, trial.number))
        return [trial.number for trial in completed]

    def _is_better(self, value: float, other: float | None) -> bool:
        assert other is not None, "a completed trial has a value"
        return value > other if self._config.experiment.direction == "maximize" else value < other

    def _write(self, kept: dict[int, int]) -> None:
        self._study.set_user_attr(KEPT, {str(number): size for number, size in kept.items()})
        self._kept = kept


def _stored(study: optuna.Study) -> dict[int, int]:
    stored = study.user_attrs.get(KEPT, {})
    return {int(number): size for number, size in stored.items()}


def folder_size(folder: Path) -> int:
    """The bytes of all files below a folder; one that vanishes meanwhile does not count."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.lstat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total
