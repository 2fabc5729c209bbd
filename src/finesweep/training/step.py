"""The compiled training step of one model, traced once for every batch shape."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.inference import IDS
from finesweep.training.adam import RowwiseAdam

LABELS = tf.TensorSpec((None,), tf.int32)


class TrainStep:
    """One step of optimisation as a graph, kept for the life of a worker.

    Called with int32 ids and mask of shape (batch, length) and labels of shape (batch,); changes
    the model's weights and returns the mean cross-entropy before the change, a float32 scalar.
    """

    def __init__(self, model: TFDistilBertForSequenceClassification) -> None:
        self.model = model
        by_path = model.variables_by_path()
        self.paths = list(by_path)
        self.variables = [variable.value for variable in by_path.values()]
        self.optimizer = RowwiseAdam(self.variables)
        # There is no Python branch for AutoGraph to convert, and its files in the temporary
        # directory would outlive a worker that is killed.
        self._compiled = tf.function(
            self._step, input_signature=(IDS, IDS, LABELS), autograph=False
        )

    def __call__(self, input_ids: Any, attention_mask: Any, labels: Any) -> tf.Tensor:
        """Take one step."""
        return self._compiled(input_ids, attention_mask, labels)

    def held(self) -> AbstractContextManager[object]:
        """Steps inside may rely on it that nobody else changes the weights meanwhile."""
        return nullcontext()

    def state(self) -> dict[str, tf.Variable]:
        """All that steps change, by lasting names: weights, Adam's moments and step, random state.

        The learning rate is not among them: whoever takes the steps sets it.
        """
        optimizer = self.optimizer
        return {
            **_named("weights", self.paths, self.variables),
            **_named("means", self.paths, optimizer.means),
            **_named("squares", self.paths, optimizer.squares),
            "step": optimizer.step,
            "random_state": self.model.seeds.state.value,
        }

    def loss_and_gradients(
        self,
        input_ids: Any,
        attention_mask: Any,
        labels: Any,
        *,
        training: bool,
        by: Sequence[tf.Variable] | None = None,
    ) -> tuple[tf.Tensor, list[Any]]:
        """The mean cross-entropy and its gradient, ``by`` each trainable variable if not others."""
        with tf.GradientTape() as tape:
            inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
            logits = self.model(inputs, training=training).logits
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
        return loss, tape.gradient(loss, self.variables if by is None else by)

    def _step(self, input_ids: Any, attention_mask: Any, labels: Any) -> Any:
        loss, gradients = self.loss_and_gradients(input_ids, attention_mask, labels, training=True)
        self.optimizer.apply(gradients)
        return loss


def _named(
    kind: str, paths: Sequence[str], variables: Sequence[tf.Variable]
) -> dict[str, tf.Variable]:
    return {f"{kind}.{path}": item for path, item in zip(paths, variables, strict=True)}
