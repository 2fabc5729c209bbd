"""What the study answers a worker that draws hyperparameters of its own."""

from __future__ import annotations

import optuna

from finesweep.sweeps.ending import RunningTrial
from finesweep.sweeps.engines._base import Asked, Drawn, Noted, Refused
from finesweep.sweeps.record import has_trained, note_training, note_values
from finesweep.training.drawing import ANOTHER_NAME, DrawingError


def suggested(study: optuna.Study, running: RunningTrial, asked: Asked) -> Drawn | Refused:
    """The value, drawn by the trial's own sampler; one that the trial has already stays."""
    # Another trial may have begun since, and left its sampler with the study.
    study.sampler = running.sampler
    try:
        return Drawn(value=getattr(running.trial, asked.method)(**asked.arguments))
    except DrawingError as error:
        return Refused(reason=str(error))
    except ValueError as error:
        # Optuna's, whose sentences go over several lines.
        reason = " ".join(str(error).split())
        return Refused(reason=f"{reason}; {ANOTHER_NAME}")


def take_note(running: RunningTrial, noted: Noted) -> None:
    """Put on record what is in effect in a trial; one of the four takes the place of what it was.

    The study is told last: what it knows, the run has been told.
    """
    if noted.values:
        running.run.log_params(noted.values)
        note_values(running.trial, noted.values)
        running.hyperparameters = running.hyperparameters.updated(noted.values)
    if noted.trains and not has_trained(running.trial):
        note_training(running.trial)
