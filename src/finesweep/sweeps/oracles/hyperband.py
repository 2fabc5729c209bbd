"""KerasTuner's Hyperband: many trials for a few epochs, and the best of them go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_tuner.engine.trial import TrialStatus
from keras_tuner.oracles import HyperbandOracle
from optuna.trial import FrozenTrial

from finesweep.sweeps.oracles._base import Proposal
from finesweep.sweeps.oracles.brackets import Brackets
from finesweep.sweeps.oracles.parameters import Coded, Space, from_oracle
from finesweep.sweeps.oracles.rungs import Rung, rung_of

EPOCHS = "epochs"
_NTH = "nth"
_NOTHING_KNOWN = "nothing known"


class HyperbandBegun(HyperbandOracle):
    """KerasTuner's, which also begins trials of an empty space: their hypermodel draws it all.

    KerasTuner takes no values for the end of the search.
    """

    def _random_values(self) -> Coded | None:
        if not self.hyperparameters.space:
            return {_NOTHING_KNOWN: 0}
        values: Coded | None = super()._random_values()
        return values


class HyperbandProposer:
    """Fills the brackets: with new values, or with the best of the round before.

    The brackets are laid out again from the trials' own records. An enqueued trial takes a place in
    a first round; when there is none, it has the most epochs and stands outside.
    """

    def __init__(
        self,
        oracle: HyperbandOracle,
        space: Space,
        *,
        trials: Sequence[FrozenTrial],
        brackets: Brackets,
    ) -> None:
        self._oracle = oracle
        self._space = space
        self._params = {str(trial.number): trial.params for trial in trials}
        self._brackets = brackets
        self._lay_out([(trial.number, rung) for trial in trials if (rung := rung_of(trial))])

    def propose(self, fixed: Coded) -> Proposal | None:
        """A new trial of a first round, or a promoted one."""
        if fixed:
            return self._enqueued(fixed)
        answer = self._oracle.populate_space("next")
        if answer["status"] != TrialStatus.RUNNING:
            return None
        return self._placed(answer["values"], fixed={})

    def has_next(self) -> bool:
        """Whether a place can be filled now; asked of an oracle that proposes nothing after."""
        return bool(self._oracle.populate_space("next")["status"] == TrialStatus.RUNNING)

    def _lay_out(self, placed: Sequence[tuple[int, Rung]]) -> None:
        last = max((rung.bracket for _, rung in placed), default=0)
        laid_out: list[dict[str, Any]] = [
            {
                "bracket_num": self._brackets.halvings(nth),
                "rounds": [[] for _ in range(self._brackets.halvings(nth) + 1)],
                _NTH: nth,
            }
            for nth in range(last + 1)
        ]
        for number, rung in placed:
            past = None if rung.continues is None else str(rung.continues)
            entries = laid_out[rung.bracket]["rounds"][rung.round]
            entries.append({"past_id": past, "id": str(number)})
        self._oracle._brackets = laid_out
        self._oracle._current_bracket = self._brackets.halvings(last)
        self._oracle._current_iteration = last // self._brackets.count
        self._next_bracket = last + 1

    def _enqueued(self, fixed: Coded) -> Proposal:
        drawn = self._oracle._random_values() or {}
        for bracket in self._oracle._brackets:
            if len(bracket["rounds"][0]) < self._brackets.size(bracket[_NTH], 0):
                bracket["rounds"][0].append({"past_id": None, "id": "next"})
                epochs = self._oracle._get_epochs(bracket["bracket_num"], 0)
                drawn |= {"tuner/epochs": epochs, "tuner/initial_epoch": 0}
                return self._placed(drawn, fixed=fixed)
        values = from_oracle({**drawn, **fixed}, self._space)
        return Proposal(values={**values, EPOCHS: self._brackets.max_epochs})

    def _placed(self, answer: Coded, *, fixed: Coded) -> Proposal:
        """The proposal that KerasTuner has put in one of its brackets."""
        # Its own word for the bracket is that of the newest one, which need not be the trial's.
        nth, turn, past = next(
            (bracket.get(_NTH, self._next_bracket), number, entry["past_id"])
            for bracket in self._oracle._brackets
            for number, entries in enumerate(bracket["rounds"])
            for entry in entries
            if entry["id"] == "next"
        )
        values = from_oracle({**answer, **fixed}, self._space)
        if past is not None:
            # To the last bit: the resume point is that of these values.
            values |= {name: self._params[past].get(name, value) for name, value in values.items()}
        values[EPOCHS] = int(answer["tuner/epochs"])
        rung = Rung(
            bracket=nth,
            round=turn,
            epochs=values[EPOCHS],
            initial_epoch=int(answer["tuner/initial_epoch"]),
            continues=None if past is None else int(past),
            values=values,
        )
        return Proposal(values=values, rung=rung)
