"""The compiled training step of one model, traced once for every batch shape."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.inference import IDS
from finesweep.training.adam import RowwiseAdam

_LABELS = tf.TensorSpec((None,), tf.int32)


class TrainStep:
    """One step of optimisation as a graph, kept for the life of a worker.

    Called with int32 ids and mask of shape (batch, length) and labels of shape (batch,); changes
    the model's weights and returns the mean cross-entropy before the change, a float32 scalar.
    """

    def __init__(self, model: TFDistilBertForSequenceClassification) -> None:
        self.model = model
        self.variables = [variable.value for variable in model.trainable_variables]
        self.optimizer = RowwiseAdam(self.variables)
        self._compiled = tf.function(self._step, input_signature=(IDS, IDS, _LABELS))

    def __call__(self, input_ids: Any, attention_mask: Any, labels: Any) -> tf.Tensor:
        """Take one step."""
        return self._compiled(input_ids, attention_mask, labels)

    def loss_and_gradients(
        self, input_ids: Any, attention_mask: Any, labels: Any, *, training: bool
    ) -> tuple[tf.Tensor, list[Any]]:
        """The mean cross-entropy and its gradient by each trainable variable."""
        with tf.GradientTape() as tape:
            inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
            logits = self.model(inputs, training=training).logits
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
        return loss, tape.gradient(loss, self.variables)

    def _step(self, input_ids: Any, attention_mask: Any, labels: Any) -> tf.Tensor:
        loss, gradients = self.loss_and_gradients(input_ids, attention_mask, labels, training=True)
        self.optimizer.apply(gradients)
        return loss
