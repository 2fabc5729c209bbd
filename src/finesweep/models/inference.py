"""Logits of a batch at full speed: the forward pass compiled once for every batch shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from finesweep.models.distilbert import TFDistilBertForSequenceClassification

IDS = tf.TensorSpec((None, None), tf.int32)


class CompiledLogits:
    """The model's forward pass without dropout, and without what ``predict`` adds around it.

    Called with int32 ids and mask of shape (batch, length); returns float32 logits of shape
    (batch, labels). May be called from several threads at once.
    """

    def __init__(self, model: TFDistilBertForSequenceClassification) -> None:
        self._model = model
        self._compiled = tf.function(self._forward, input_signature=(IDS, IDS), autograph=False)
        # Traced here, by one thread: two that trace at once would each build the graph.
        self._compiled.get_concrete_function()

    def __call__(self, input_ids: Any, attention_mask: Any) -> NDArray[np.float32]:
        """Logits of one batch."""
        logits: NDArray[np.float32] = self._compiled(input_ids, attention_mask).numpy()
        return logits

    def _forward(self, input_ids: Any, attention_mask: Any) -> Any:
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        return self._model(inputs, training=False).logits
