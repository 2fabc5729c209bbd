"""How a learning rate goes over a training: up in a warm-up, then down, or as it is."""

from __future__ import annotations

import math
from typing import Any

import keras


class RateSchedule(keras.callbacks.Callback):
    """Sets the optimizer's learning rate before every step.

    It rises from 0 to ``rate`` in the first share ``warmup`` of all steps, then goes as
    ``schedule`` says: ``linear`` or ``cosine`` down to 0 at the end, or ``constant``. Where a step
    stands follows from its epoch, so that a training that is gone on with has the rates it would
    have had.
    """

    def __init__(self, rate: float, *, schedule: str, warmup: float) -> None:
        super().__init__()
        self._rate = rate
        self._schedule = schedule
        self._warmup = warmup
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note where the training stands."""
        del logs
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate of the step that comes."""
        del logs
        steps, epochs = self.params["steps"], self.params["epochs"]
        done = (self._epoch * steps + batch) / (epochs * steps)
        factor = rate_factor(done, schedule=self._schedule, warmup=self._warmup)
        self.model.optimizer.learning_rate.assign(self._rate * factor)


def rate_factor(done: float, *, schedule: str, warmup: float) -> float:
    """The share of the highest rate when the share ``done`` of the training is behind, 0 to 1."""
    if done < warmup:
        return done / warmup
    left = (1.0 - done) / (1.0 - warmup)
    match schedule:
        case "constant":
            return 1.0
        case "linear":
            return left
        case "cosine":
            return 0.5 - 0.5 * math.cos(math.pi * left)
    raise ValueError(f"expected linear, cosine or constant as schedule, received {schedule!r}")
