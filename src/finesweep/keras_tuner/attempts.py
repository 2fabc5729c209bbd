"""The trials of a KerasTuner search, as an Optuna study has them.

KerasTuner may run a trial several times: it failed and is tried again, or its process was killed.
To the study each of these attempts is a trial of its own, since each starts from nothing and has
its own curve; only the last of them has a value. ``keras_tuner_trial`` (a user attribute) says
which trial it is an attempt of.

An attempt's ``outcome`` is written before the study is told, and cannot be changed after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import keras_tuner
import optuna
from keras_tuner.engine.trial import Trial, TrialStatus
from optuna.trial import FrozenTrial, TrialState

from finesweep.keras_tuner.algorithms import SamplerFor
from finesweep.keras_tuner.parameters import parameters_of
from finesweep.keras_tuner.suggesting import suggest
from finesweep.sweeps.study import left_running, next_number

TRIAL_ID = "keras_tuner_trial"
OUTCOME = "outcome"
PRUNED_AT = "pruned_at"

Ending = Literal["completed", "pruned", "failed", "interrupted", "known"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended.

    ``known``: its values had been tried before, so it was never begun. ``metrics`` are KerasTuner's
    for the trial, ``values`` all hyperparameters it ran with; ``traceback`` is what failed it.
    """

    ending: Ending
    score: float | None = None
    epoch: int | None = None
    reason: str | None = None
    traceback: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, trial: Trial, *, is_pruned: bool) -> Outcome:
        """What KerasTuner's trial, which has ended, has come to."""
        values, metrics = dict(trial.hyperparameters.values), metrics_of(trial)
        if trial.status == TrialStatus.COMPLETED and trial.score is not None:
            return cls(
                ending="pruned" if is_pruned else "completed",
                score=float(trial.score),
                epoch=trial.best_step,
                metrics=metrics,
                values=values,
            )
        return cls(
            ending="failed",
            reason=last_line(trial.message) if trial.message else "it has no score",
            traceback=trial.message,
            metrics=metrics,
            values=values,
        )


def metrics_of(trial: Trial) -> dict[str, float]:
    """KerasTuner's metrics of a trial: those of its best epoch."""
    return {name: float(trial.metrics.get_last_value(name)) for name in trial.metrics.metrics}


def last_line(text: str) -> str:
    """Of a traceback the error itself."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else text


def outcome_of(trial: FrozenTrial) -> Outcome:
    """How an attempt ended, from the study's record; one without a word was interrupted."""
    stored = trial.user_attrs.get(OUTCOME)
    return Outcome(**stored) if stored else Outcome(ending="interrupted")


class Attempts:
    """Begins and ends attempts in a study; for whoever holds the search's lock.

    The study knows of the hyperparameters that are ``tuned``; None for all.
    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        sampler: SamplerFor,
        tuned: keras_tuner.HyperParameters | None = None,
    ) -> None:
        self._study = study
        self._sampler = sampler
        self._tuned = tuned
        self._running: dict[str, optuna.Trial] = {}
        # Trials whose training goes on though it was asked to stop.
        self._deaf: set[str] = set()

    @property
    def running(self) -> list[str]:
        """The ids of the trials that have an attempt now."""
        return list(self._running)

    def number(self, trial_id: str) -> int:
        """The number that a running attempt has in the study."""
        return int(self._running[trial_id].number)

    def trials(self) -> list[FrozenTrial]:
        """All attempts there are."""
        return list(self._study.get_trials(deepcopy=False))

    def propose(self, trial_id: str, space: Sequence[Any]) -> dict[str, Any]:
        """Begin an attempt with values that the sampler, or whoever enqueued them, proposes.

        ``space`` are KerasTuner's hyperparameters, parents before those that depend on them.
        """
        trials = self._study.get_trials(deepcopy=False)
        self._study.sampler = self._sampler(next_number(trials))
        trial = self._study.ask()
        self._begun(trial_id, trial)
        drawn = suggest(trial)
        drawn.merge(list(space))
        return dict(drawn.values)

    def begin(self, trial_id: str, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Begin an attempt with values that are known."""
        known = parameters_of(hyperparameters, among=self._tuned)
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params={name: parameter.value for name, parameter in known.items()},
                distributions={name: parameter.distribution for name, parameter in known.items()},
            )
        )
        # Optuna's trials draw as soon as they are made; this one has its values.
        self._study.sampler = optuna.samplers.RandomSampler()
        added = self._study.get_trials(deepcopy=False)[-1]
        self._begun(trial_id, optuna.Trial(self._study, added._trial_id))

    def note(self, trial_id: str, attributes: Mapping[str, Any]) -> None:
        """Put attributes of a running attempt on record."""
        for name, value in attributes.items():
            self._running[trial_id].set_user_attr(name, value)

    def report(self, trial_id: str, *, epochs: int, value: float) -> bool:
        """Report the objective after so many epochs; whether the pruner wants the attempt to end.

        Training that goes on nevertheless is let alone from then on.
        """
        trial = self._running[trial_id]
        if trial.user_attrs.get(PRUNED_AT) is not None:
            self.forgive(trial_id)
            self._deaf.add(trial_id)
        trial.report(value, step=epochs)
        if trial_id in self._deaf or not trial.should_prune():
            return False
        trial.set_user_attr(PRUNED_AT, epochs)
        return True

    def is_pruned(self, trial_id: str) -> bool:
        """Whether the pruner has ended the running attempt of a trial."""
        trial = self._running.get(trial_id)
        return trial is not None and trial.user_attrs.get(PRUNED_AT) is not None

    def forgive(self, trial_id: str) -> None:
        """Take back that the attempt was pruned: it ran to its end."""
        self._running[trial_id].set_user_attr(PRUNED_AT, None)

    def add_parameters(self, trial_id: str, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Tell the study of hyperparameters that first appeared in this attempt."""
        trial, storage = self._running[trial_id], self._study._storage
        for name, parameter in parameters_of(hyperparameters, among=self._tuned).items():
            if name not in trial.params:
                distribution = parameter.distribution
                internal = distribution.to_internal_repr(parameter.value)
                storage.set_trial_param(trial._trial_id, name, internal, distribution)

    def frozen(self, trial_id: str) -> FrozenTrial:
        """The running attempt of a trial as the study has it."""
        return self._study.get_trials(deepcopy=False)[self.number(trial_id)]

    def left_running(self) -> list[FrozenTrial]:
        """Attempts of a process that died."""
        return [trial for trial in left_running(self._study) if TRIAL_ID in trial.user_attrs]

    def take_over(self, left: FrozenTrial) -> str:
        """Make an attempt that a dead process left one's own, to end it; the id of its trial."""
        trial_id = str(left.user_attrs[TRIAL_ID])
        self._study.sampler = optuna.samplers.RandomSampler()
        self._running[trial_id] = optuna.Trial(self._study, left._trial_id)
        return trial_id

    def end(self, trial_id: str) -> None:
        """Tell the study how the attempt ended, as its ``outcome`` on record says."""
        outcome = outcome_of(self.frozen(trial_id))
        number = self.number(trial_id)
        # Samplers that have proposed everything ask the loop they are in to stop. That is this one,
        # and it finds out by itself.
        self._study._thread_local.in_optimize_loop = True
        try:
            if outcome.ending == "completed":
                self._study.tell(number, outcome.score)
            else:
                was_pruned = outcome.ending == "pruned"
                state = TrialState.PRUNED if was_pruned else TrialState.FAIL
                self._study.tell(number, state=state)
        finally:
            self._study._thread_local.in_optimize_loop = False
        del self._running[trial_id]
        self._deaf.discard(trial_id)

    def write_outcome(self, trial_id: str, outcome: Outcome) -> None:
        """Put on record how the attempt ended, which ``end`` carries out."""
        self.note(trial_id, {OUTCOME: asdict(outcome)})

    def _begun(self, trial_id: str, trial: optuna.Trial) -> None:
        self._running[trial_id] = trial
        trial.set_user_attr(TRIAL_ID, trial_id)
