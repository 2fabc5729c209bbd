"""Measuring any Keras model on a split, as every other trial is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finesweep.data import Batch, EncodedTexts
from finesweep.models.keras_checkpoint import KerasForm, KerasLogits
from finesweep.training.metrics import classification_metrics
from finesweep.training.progress import TrainingSetup

_ROWS_AT_ONCE = 256


def measured(logits: KerasLogits, batch: Batch, *, prefix: str) -> dict[str, float]:
    """Loss, accuracy and F1, named ``<prefix>/…``, on all texts of ``batch``."""
    ids, mask, rows = batch.input_ids, batch.attention_mask, len(batch.labels)
    parts: list[NDArray[np.float32]] = [
        logits(ids[start : start + _ROWS_AT_ONCE], mask[start : start + _ROWS_AT_ONCE])
        for start in range(0, rows, _ROWS_AT_ONCE)
    ]
    return classification_metrics(np.concatenate(parts), batch.labels, prefix=prefix)


def form_of(setup: TrainingSetup, texts: EncodedTexts, *, max_length: int) -> KerasForm:
    """How a model of a sweep is called, if it answers with logits."""
    return KerasForm(
        id2label=dict(enumerate(setup.label_names)),
        max_length=max_length,
        pad_id=texts.pad_id,
        outputs="logits",
    )
