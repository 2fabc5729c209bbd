"""The training step for little memory: a batch in parts, one after another."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf

from finesweep.models.inference import IDS
from finesweep.training.step import LABELS, TrainStep

_SHARE = tf.TensorSpec((), tf.float32)


class AccumulatedStep:
    """The step of a ``TrainStep``, its gradients added up over ``parts`` parts of the batch.

    Called like the ``TrainStep``, whose model and optimizer it changes. Each part counts as much as
    it holds texts, so that loss and gradients are those of the whole batch; dropout draws other
    numbers. A batch of fewer texts than ``parts`` is taken text by text.
    """

    def __init__(self, step: TrainStep, *, parts: int) -> None:
        self.optimizer = step.optimizer
        self.parts = parts
        self._step = step
        # A graph computes one part alone: in a graph of all of them, parts might run side by side
        # and need as much memory as the whole batch.
        self._compiled = tf.function(
            self._weighted_part, input_signature=(IDS, IDS, LABELS, _SHARE), autograph=False
        )

    def __call__(self, input_ids: Any, attention_mask: Any, labels: Any) -> tf.Tensor:
        """Take one step."""
        parts = np.array_split(np.arange(len(labels)), min(self.parts, len(labels)))
        loss, gradients = self._part(input_ids, attention_mask, labels, parts[0])
        for rows in parts[1:]:
            part_loss, part_gradients = self._part(input_ids, attention_mask, labels, rows)
            loss += part_loss
            for place, gradient in enumerate(part_gradients):
                gradients[place] = _sum(gradients[place], gradient)
        self.optimizer.apply(gradients)
        return loss

    def held(self) -> AbstractContextManager[object]:
        """As of a ``TrainStep``."""
        return nullcontext()

    def _part(
        self, input_ids: Any, attention_mask: Any, labels: Any, rows: Any
    ) -> tuple[tf.Tensor, list[Any]]:
        share = np.float32(len(rows) / len(labels))
        loss, gradients = self._compiled(input_ids[rows], attention_mask[rows], labels[rows], share)
        return loss, gradients

    def _weighted_part(
        self, input_ids: Any, attention_mask: Any, labels: Any, share: Any
    ) -> tuple[tf.Tensor, list[Any]]:
        loss, gradients = self._step.loss_and_gradients(
            input_ids, attention_mask, labels, training=True
        )
        return share * loss, [tf.math.scalar_mul(share, gradient) for gradient in gradients]


def _sum(total: Any, gradient: Any) -> Any:
    """Both together. Rows of an embedding stay rows: Adam adds those that occur twice."""
    if not isinstance(gradient, tf.IndexedSlices):
        return total + gradient
    return tf.IndexedSlices(
        tf.concat([total.values, gradient.values], axis=0),
        tf.concat([total.indices, gradient.indices], axis=0),
        gradient.dense_shape,
    )
