"""A study's trials kept in memory: read once, and from then on written to both places.

Optuna asks its database for every trial at every look, a dozen times a trial: five milliseconds
each. But whoever holds the study's lock is the only one that writes to it, so what was written last
is what stands there.

What it guarantees:

* **Written through.** A method that changes something returns when the database has it; memory
  follows. Dying in between loses nothing that was promised.
* **Never ahead, never beside.** A write that fails, or is interrupted, may or may not have reached
  the database: what is in memory is forgotten, and read again at the next look.
* **What was handed out stays as it was.** A trial that changes is replaced, not changed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class KeptTrials(BaseStorage):
    """Optuna's storage for the coordinator of one study; the others pass through.

    ``backend`` is the storage that lasts. It is for one thread, and for whoever holds the lock of
    the study called ``study_name``.
    """

    def __init__(self, backend: BaseStorage, study_name: str) -> None:
        self._backend = backend
        self._study_name = study_name
        self._study_id: int | None = None
        self._trials: dict[int, FrozenTrial] | None = None
        # A pruner asks for all completed trials at every tick; few of them are new.
        self._selected: dict[frozenset[TrialState], list[FrozenTrial]] = {}

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials by number, all or those in one of ``states``; see Optuna."""
        if study_id != self._study_id:
            trials = self._backend.get_all_trials(study_id, deepcopy=False, states=states)
        elif states is None:
            trials = list(self._kept().values())
        else:
            trials = self._in_states(frozenset(state for state in TrialState if state in states))
        return copy.deepcopy(trials) if deepcopy else trials

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial as it is now; a copy, since Optuna's ``Trial`` changes what it gets."""
        kept = self._kept().get(trial_id) if self._study_id is not None else None
        return self._backend.get_trial(trial_id) if kept is None else _copied(kept)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial; see Optuna."""
        with self._writing():
            trial_id = int(self._backend.create_new_trial(study_id, template_trial))
            if study_id == self._study_id and self._trials is not None:
                number = len(self._trials)
                begun = _begun_now(trial_id, number=number) if template_trial is None else None
                self._keep(trial_id, begun or self._backend.get_trial(trial_id))
        return trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Note a hyperparameter; see Optuna."""
        with self._writing():
            self._backend.set_trial_param(trial_id, param_name, param_value_internal, distribution)
            value = distribution.to_external_repr(param_value_internal)
            self._add(trial_id, params={param_name: value})
            self._add(trial_id, distributions={param_name: distribution})

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Put the trial in another state; whether that came to be. See Optuna."""
        with self._writing():
            done = bool(self._backend.set_trial_state_values(trial_id, state, values))
            if not done:
                self._trials = None
            if done:
                self._change(trial_id, state=state)
            if done and values is not None:
                self._change(trial_id, values=list(values))
            if done and state == TrialState.RUNNING:
                self._change(trial_id, datetime_start=datetime.now())
            if done and state.is_finished():
                self._change(trial_id, datetime_complete=datetime.now())
        return done

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Note a value reported at a step; see Optuna."""
        with self._writing():
            self._backend.set_trial_intermediate_value(trial_id, step, intermediate_value)
            self._add(trial_id, intermediate_values={step: float(intermediate_value)})

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Note an attribute of ours; see Optuna."""
        with self._writing():
            self._backend.set_trial_user_attr(trial_id, key, value)
            self._add(trial_id, user_attrs={key: _as_stored(value)})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Note an attribute of Optuna's; see Optuna."""
        with self._writing():
            self._backend.set_trial_system_attr(trial_id, key, value)
            self._add(trial_id, system_attrs={key: _as_stored(value)})

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Add a study; see Optuna."""
        return self._known_as(study_name, self._backend.create_new_study(directions, study_name))

    def get_study_id_from_name(self, study_name: str) -> int:
        """The id of a study; see Optuna."""
        return self._known_as(study_name, self._backend.get_study_id_from_name(study_name))

    def delete_study(self, study_id: int) -> None:
        """Delete a study; see Optuna."""
        with self._writing():
            self._backend.delete_study(study_id)
            self._trials = None

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Note an attribute of ours; see Optuna."""
        self._backend.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Note an attribute of Optuna's; see Optuna."""
        self._backend.set_study_system_attr(study_id, key, value)

    def get_study_name_from_id(self, study_id: int) -> str:
        """The name of a study; see Optuna."""
        return str(self._backend.get_study_name_from_id(study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Which way is better; see Optuna."""
        return list(self._backend.get_study_directions(study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Our attributes of a study; see Optuna."""
        return dict(self._backend.get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Optuna's attributes of a study; see Optuna."""
        return dict(self._backend.get_study_system_attrs(study_id))

    def get_all_studies(self) -> list[Any]:
        """Every study; see Optuna."""
        return list(self._backend.get_all_studies())

    def remove_session(self) -> None:
        """Let go of the connection to the database; see Optuna."""
        self._backend.remove_session()

    def _known_as(self, study_name: str | None, study_id: int) -> int:
        if study_name == self._study_name:
            self._study_id = study_id
        return study_id

    def _kept(self) -> dict[int, FrozenTrial]:
        """The study's trials by id, in the order of their numbers."""
        if self._trials is None:
            found = self._backend.get_all_trials(self._study_id, deepcopy=False)
            self._trials = {trial._trial_id: trial for trial in found}
            self._selected.clear()
        return self._trials

    def _in_states(self, states: frozenset[TrialState]) -> list[FrozenTrial]:
        trials = self._kept().values()
        if states not in self._selected:
            self._selected[states] = [trial for trial in trials if trial.state in states]
        return list(self._selected[states])

    def _keep(self, trial_id: int, trial: FrozenTrial) -> None:
        """Put a trial among those that are kept, or in the place of what it was."""
        assert self._trials is not None, "there are trials to keep it among"
        before = self._trials.get(trial_id, trial).state
        self._trials[trial_id] = trial
        for states in [states for states in self._selected if {before, trial.state} & states]:
            del self._selected[states]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._trials = None
            raise

    def _add(self, trial_id: int, **entries: dict[Any, Any]) -> None:
        """Add entries to dictionaries of a kept trial."""
        kept = (self._trials or {}).get(trial_id)
        for name, new in entries.items() if kept is not None else ():
            self._change(trial_id, **{name: {**getattr(kept, name), **new}})

    def _change(self, trial_id: int, **fields: Any) -> None:
        """Put a changed copy of a kept trial in its place; of no effect on any other."""
        if self._trials is None or trial_id not in self._trials:
            return
        changed = copy.copy(self._trials[trial_id])
        for name, value in fields.items():
            setattr(changed, name, value)
        self._keep(trial_id, changed)


def _begun_now(trial_id: int, *, number: int) -> FrozenTrial:
    """A trial as Optuna makes it, without asking the database for each of its parts."""
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=trial_id,
    )


def _copied(trial: FrozenTrial) -> FrozenTrial:
    """The trial with dictionaries of its own."""
    copied = copy.copy(trial)
    copied.params = dict(trial.params)
    copied.distributions = dict(trial.distributions)
    copied.user_attrs = dict(trial.user_attrs)
    copied.system_attrs = dict(trial.system_attrs)
    copied.intermediate_values = dict(trial.intermediate_values)
    return copied


def _as_stored(value: Any) -> Any:
    """An attribute as it comes back from the database, where a tuple is a list."""
    return json.loads(json.dumps(value))
