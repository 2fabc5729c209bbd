"""Hyperband's record of a trial: its place in the brackets, and the trial it goes on from.

Kept in a user attribute of the Optuna trial, ``rung``, from the moment it is asked for. Knows
nothing of KerasTuner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

RUNG = "rung"


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Where a trial stands.

    Brackets count from 0 in the order in which they begin, rounds within a bracket. The trial has
    ``epochs`` in all; one of a later round goes on from where the trial ``continues`` ended, after
    ``initial_epoch`` of them. ``values`` are those proposed for it.
    """

    bracket: int
    round: int
    epochs: int
    initial_epoch: int
    continues: int | None
    values: Mapping[str, Any]


def rung_of(trial: FrozenTrial | optuna.Trial) -> Rung | None:
    """The trial's place; None for one that stands outside all brackets."""
    noted = trial.user_attrs.get(RUNG)
    return Rung(**noted) if noted else None


def write_rung(study: optuna.Study, trial: FrozenTrial, rung: Rung) -> None:
    """Note the place of a trial that is being asked for."""
    # A sampler is given a trial that cannot be written to.
    study._storage.set_trial_user_attr(trial._trial_id, RUNG, asdict(rung))
