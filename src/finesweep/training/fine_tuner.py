"""One fine-tuning after another with one model: what a worker process keeps alive."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from finesweep.data import (
    Batch,
    EncodedTexts,
    evaluation_batches,
    stratified_sample,
    training_batches,
)
from finesweep.errors import DivergedError
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.inference import CompiledLogits
from finesweep.models.pretrained import read_checkpoint, read_config
from finesweep.models.weights import weight_table
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.memory import peak_memory_mb
from finesweep.training.metrics import classification_metrics
from finesweep.training.precision import dtype_policy, resolve_precision
from finesweep.training.progress import (
    TICKS_PER_EPOCH,
    Answer,
    EvaluationSplit,
    FineTuned,
    Tick,
    TrainingSetup,
)
from finesweep.training.step import TrainStep

OnTick = Callable[[Tick], Answer]


class FineTuner:
    """The ``Trainer`` of DistilBERT: builds and traces once, then resets between fine-tunings.

    Every fine-tuning starts from the same weights, with an empty optimizer and the same random
    state, so that what ran before leaves no trace. The checkpoint's classifier is kept if it was
    trained for the very same labels, else a new one is drawn from the setup's seed.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        self.setup = setup
        self.precision = resolve_precision(setup.precision)
        self.texts = EncodedTexts.open(setup.prepared)
        id2label = dict(enumerate(setup.label_names))
        trained, _ = read_config(setup.checkpoint)
        self.model = TFDistilBertForSequenceClassification.from_pretrained(
            setup.checkpoint,
            id2label=id2label,
            # Another order of the same names would make the old classifier answer wrong.
            keep_head=dict(trained.id2label) == id2label,
            seed=setup.seed,
            dtype=dtype_policy(self.precision),
        )
        self.train_step = TrainStep(self.model)
        self.logits = CompiledLogits(self.model)
        self._initial_weights = self.model.get_weights()
        self._tick_rows = stratified_sample(
            self.texts.labels,
            self.texts.validation,
            limit=setup.tick_validation_rows,
            seed=setup.seed,
        )

    def fine_tune(
        self, hyperparameters: Hyperparameters, *, output: Path, on_tick: OnTick
    ) -> FineTuned:
        """Fine-tune from the setup's checkpoint; save to ``output`` unless stopped at a tick.

        Raises ``DivergedError`` at the first tick whose training or validation loss is not finite.
        """
        self._reset(hyperparameters.learning_rate)
        started = time.perf_counter()
        last: Tick | None = None
        for last in self._ticks(hyperparameters, started=started):
            if on_tick(last) == "stop":
                return self._outcome(last, started=started, checkpoint=None)
        if last is None:
            raise RuntimeError("a fine-tuning of at least one epoch ends with a tick")
        self.model.save_pretrained(output)
        return self._outcome(last, started=started, checkpoint=output)

    def evaluate(
        self, checkpoint: Path, *, max_length: int, split: EvaluationSplit
    ) -> dict[str, float]:
        """Measure a saved checkpoint on a whole split; metrics named after the split."""
        tensors = read_checkpoint(checkpoint).tensors
        for entry in weight_table(self.model.config):
            self.model.variable(entry).assign(entry.to_variable(tensors))
        rows = self.texts.test if split == "test" else self.texts.validation
        prefix = "test" if split == "test" else "val"
        return self._evaluated(rows, max_length=max_length, prefix=prefix)

    def _reset(self, learning_rate: float) -> None:
        self.model.set_weights(self._initial_weights)
        self.train_step.optimizer.reset(learning_rate)
        self.model.seeds.state.assign(keras.random.SeedGenerator(self.setup.seed).state)

    def _ticks(self, hyperparameters: Hyperparameters, *, started: float) -> Iterator[Tick]:
        n_train = len(self.texts.train)
        seen, number = 0, 0
        losses: list[Any] = []
        since = _Interval.begin(seen)
        for share_done, batch in self._batches(hyperparameters):
            self._schedule(hyperparameters.learning_rate, share_done=share_done)
            losses.append(self.train_step(batch.input_ids, batch.attention_mask, batch.labels))
            seen += len(batch.labels)
            reached = seen * TICKS_PER_EPOCH // n_train
            if reached == number:
                continue
            number = reached
            train_loss = _finite(float(np.mean([float(loss) for loss in losses])), "training")
            speed = since.examples_per_second(seen)
            full = number % TICKS_PER_EPOCH == 0
            rows = self.texts.validation if full else self._tick_rows
            measured = self._evaluated(rows, max_length=hyperparameters.max_length, prefix="val")
            _finite(measured["val/loss"], "validation")
            yield Tick(
                number=number,
                epoch=seen / n_train,
                examples_seen=seen,
                seconds=time.perf_counter() - started,
                metrics={
                    "train/loss": train_loss,
                    **measured,
                    "examples_per_second": speed,
                    "memory_mb": peak_memory_mb(),
                },
                full_validation=full,
            )
            losses.clear()
            since = _Interval.begin(seen)

    def _batches(self, hyperparameters: Hyperparameters) -> Iterator[tuple[float, Batch]]:
        """Every batch of every epoch, and the share of all examples that came before it."""
        seen, total = 0, hyperparameters.epochs * len(self.texts.train)
        for epoch in range(hyperparameters.epochs):
            for batch in training_batches(
                self.texts,
                self.texts.train,
                batch_size=hyperparameters.batch_size,
                max_length=hyperparameters.max_length,
                seed=self.setup.seed,
                epoch=epoch,
            ):
                yield seen / total, batch
                seen += len(batch.labels)

    def _schedule(self, learning_rate: float, *, share_done: float) -> None:
        if self.setup.schedule == "linear":
            self.train_step.optimizer.learning_rate.assign(learning_rate * (1.0 - share_done))

    def _evaluated(
        self, rows: NDArray[np.int64], *, max_length: int, prefix: str
    ) -> dict[str, float]:
        logits, labels = [], []
        for batch in evaluation_batches(self.texts, rows, max_length=max_length):
            logits.append(self.logits(batch.input_ids, batch.attention_mask))
            labels.append(batch.labels)
        return classification_metrics(np.concatenate(logits), np.concatenate(labels), prefix=prefix)

    def _outcome(self, tick: Tick, *, started: float, checkpoint: Path | None) -> FineTuned:
        return FineTuned(
            metrics=tick.metrics,
            ticks=tick.number,
            seconds=time.perf_counter() - started,
            stopped=checkpoint is None,
            checkpoint=checkpoint,
            precision=self.precision,
        )


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
