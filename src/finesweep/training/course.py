"""The course of one fine-tuning: batches in, ticks out, from its beginning or a resume point."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from finesweep.data import Batch, EncodedTexts, training_batches
from finesweep.errors import DivergedError
from finesweep.training.accumulation import AccumulatedStep
from finesweep.training.evaluation import Evaluator
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.memory import peak_memory_mb
from finesweep.training.progress import TICKS_PER_EPOCH, Tick, TrainingSetup
from finesweep.training.resume import ResumePoint
from finesweep.training.step import TrainStep


class Course:
    """Trains from ``start`` to the last epoch's end and tells each tick.

    Order of batches, learning rate and ticks depend on the place alone, never on how it was
    reached. Between two ticks ``point`` is the place that the model and the optimizer are at.
    """

    def __init__(
        self,
        hyperparameters: Hyperparameters,
        *,
        setup: TrainingSetup,
        texts: EncodedTexts,
        step: TrainStep | AccumulatedStep,
        evaluator: Evaluator,
        start: ResumePoint,
    ) -> None:
        self._hyperparameters = hyperparameters
        self._setup = setup
        self._texts = texts
        self._step = step
        self._evaluator = evaluator
        self._reached = start
        self._began = time.perf_counter() - start.seconds
        self._total = hyperparameters.epochs * len(texts.train)

    @property
    def point(self) -> ResumePoint:
        """The tick reached, with the seconds up to now."""
        return replace(self._reached, seconds=self._seconds())

    @property
    def at_end(self) -> bool:
        """Whether the last epoch is done."""
        return self._reached.examples_seen == self._total

    def ticks(self) -> Iterator[Tick]:
        """Train from tick to tick; goes on when the next one is asked for.

        Raises ``DivergedError`` at the first one whose training or validation loss is not finite.
        """
        seen = self._reached.examples_seen
        losses: list[Any] = []
        since = _Interval.begin(seen)
        for batch in self._batches():
            self._schedule(seen)
            losses.append(self._step(batch.input_ids, batch.attention_mask, batch.labels))
            seen += len(batch.labels)
            if seen * TICKS_PER_EPOCH // len(self._texts.train) == self._reached.tick:
                continue
            train_loss = _finite(float(np.mean([float(loss) for loss in losses])), "training")
            speed = since.examples_per_second(seen)
            yield self._tick(seen, train_loss=train_loss, speed=speed)
            losses.clear()
            since = _Interval.begin(seen)

    def _batches(self) -> Iterator[Batch]:
        """What is left of the epoch that was begun, and the epochs after it."""
        batch_size = self._hyperparameters.batch_size
        # An epoch's only smaller batch is its last, so a place inside it is a number of whole ones.
        first_epoch, seen_of_it = divmod(self._reached.examples_seen, len(self._texts.train))
        for epoch in range(first_epoch, self._hyperparameters.epochs):
            yield from training_batches(
                self._texts,
                self._texts.train,
                batch_size=batch_size,
                max_length=self._hyperparameters.max_length,
                seed=self._setup.seed,
                epoch=epoch,
                start=seen_of_it // batch_size if epoch == first_epoch else 0,
            )

    def _schedule(self, seen: int) -> None:
        rate = self._hyperparameters.learning_rate
        if self._setup.schedule == "linear":
            rate *= 1.0 - seen / self._total
        self._step.optimizer.learning_rate.assign(rate)

    def _tick(self, seen: int, *, train_loss: float, speed: float) -> Tick:
        """Measure, and note that this place is reached."""
        n_train = len(self._texts.train)
        number = seen * TICKS_PER_EPOCH // n_train
        full = number % TICKS_PER_EPOCH == 0
        max_length = self._hyperparameters.max_length
        measured = (
            self._evaluator.whole("validation", max_length=max_length)
            if full
            else self._evaluator.sample(max_length=max_length)
        )
        _finite(measured["val/loss"], "validation")
        metrics = {
            "train/loss": train_loss,
            **measured,
            "examples_per_second": speed,
            "memory_mb": peak_memory_mb(),
        }
        seconds = self._seconds()
        self._reached = ResumePoint(
            examples_seen=seen, tick=number, seconds=seconds, metrics=metrics
        )
        return Tick(
            number=number,
            epoch=seen / n_train,
            examples_seen=seen,
            seconds=seconds,
            metrics=metrics,
            full_validation=full,
        )

    def _seconds(self) -> float:
        return time.perf_counter() - self._began


class _Interval:
    """The training between two ticks, timed without the evaluation at the tick."""

    def __init__(self, seen: int, moment: float) -> None:
        self._seen = seen
        self._moment = moment

    @classmethod
    def begin(cls, seen: int) -> _Interval:
        return cls(seen, time.perf_counter())

    def examples_per_second(self, seen: int) -> float:
        return (seen - self._seen) / max(time.perf_counter() - self._moment, 1e-9)


def _finite(loss: float, kind: str) -> float:
    if math.isfinite(loss):
        return loss
    raise DivergedError(
        f"the {kind} loss became {loss}; a lower learning rate, or precision float32, may help"
    )
