"""Measuring a model on the rows of a split, or on the few that stand for it at a tick."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finesweep.data import EncodedTexts, evaluation_batches, stratified_sample
from finesweep.models.inference import CompiledLogits
from finesweep.training.metrics import classification_metrics
from finesweep.training.progress import EvaluationSplit


class Evaluator:
    """Loss, accuracy and F1 of the model behind ``logits``, as its weights are at the moment.

    ``tick_rows`` validation rows, drawn with ``seed`` in the shares of the classes, are the fixed
    choice that a tick inside an epoch is measured on.
    """

    def __init__(
        self, logits: CompiledLogits, texts: EncodedTexts, *, tick_rows: int, seed: int
    ) -> None:
        self._logits = logits
        self._texts = texts
        self._tick_rows = stratified_sample(
            texts.labels, texts.validation, limit=tick_rows, seed=seed
        )

    def whole(self, split: EvaluationSplit, *, max_length: int) -> dict[str, float]:
        """Metrics of a whole split: ``val/…`` or ``test/…``."""
        if split == "test":
            return self._measured(self._texts.test, max_length=max_length, prefix="test")
        return self._measured(self._texts.validation, max_length=max_length, prefix="val")

    def sample(self, *, max_length: int) -> dict[str, float]:
        """Metrics of the fixed choice of validation rows: ``val/…``."""
        return self._measured(self._tick_rows, max_length=max_length, prefix="val")

    def _measured(
        self, rows: NDArray[np.int64], *, max_length: int, prefix: str
    ) -> dict[str, float]:
        logits, labels = [], []
        for batch in evaluation_batches(self._texts, rows, max_length=max_length):
            logits.append(self._logits(batch.input_ids, batch.attention_mask))
            labels.append(batch.labels)
        return classification_metrics(np.concatenate(logits), np.concatenate(labels), prefix=prefix)
