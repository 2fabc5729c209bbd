"""Adam with one fused kernel a dense weight, and row by row for the word embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from finesweep.training.memory import overwrite

BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-7  # Keras' default, and so the article's


class RowwiseAdam:
    """Adam (Kingma and Ba, arXiv 1412.6980) as Keras computes it, at a fraction of its cost.

    A dense gradient is applied by TensorFlow's fused kernel. A gradient of rows (an embedding's)
    updates the rows that occurred in the batch and leaves the others and their moments untouched,
    where plain Adam would walk through the whole vocabulary every step: for a word that is not in
    the batch neither moment decays and no leftover momentum is applied. Equal to Keras' Adam on
    every dense weight, and on every row that occurs in each step.
    """

    def __init__(self, variables: Sequence[tf.Variable]) -> None:
        self.variables = list(variables)
        self.learning_rate = tf.Variable(0.0, trainable=False, name="learning_rate")
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.means = [self._slot(variable, "mean") for variable in self.variables]
        self.squares = [self._slot(variable, "square") for variable in self.variables]

    def reset(self, learning_rate: float) -> None:
        """Forget every step taken, and go on with another learning rate."""
        self.learning_rate.assign(learning_rate)
        self.step.assign(0)
        for slot in (*self.means, *self.squares):
            overwrite(slot, 0.0)

    def apply(self, gradients: Sequence[Any]) -> tf.Tensor:
        """Take one step; ``gradients`` in the order of the variables, dense or IndexedSlices.

        A variable whose gradient is None stays as it is. Returns the step's rate: the learning
        rate, corrected for moments that began at 0.
        """
        step = tf.cast(self.step.assign_add(1), tf.float32)
        power_1, power_2 = tf.pow(BETA_1, step), tf.pow(BETA_2, step)
        rate = self.learning_rate * tf.sqrt(1.0 - power_2) / (1.0 - power_1)
        for variable, gradient, mean, square in zip(
            self.variables, gradients, self.means, self.squares, strict=True
        ):
            if isinstance(gradient, tf.IndexedSlices):
                _apply_rows(variable, gradient, mean=mean, square=square, rate=rate)
            elif gradient is not None:
                tf.raw_ops.ResourceApplyAdam(
                    var=variable.handle,
                    m=mean.handle,
                    v=square.handle,
                    beta1_power=power_1,
                    beta2_power=power_2,
                    lr=self.learning_rate,
                    beta1=BETA_1,
                    beta2=BETA_2,
                    epsilon=EPSILON,
                    grad=gradient,
                )
        return rate

    @staticmethod
    def _slot(variable: tf.Variable, name: str) -> tf.Variable:
        return tf.Variable(tf.zeros_like(variable), trainable=False, name=name)


def _apply_rows(
    variable: tf.Variable,
    gradient: tf.IndexedSlices,
    *,
    mean: tf.Variable,
    square: tf.Variable,
    rate: tf.Tensor,
) -> None:
    rows, position = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
    new_mean = BETA_1 * tf.gather(mean, rows) + (1.0 - BETA_1) * values
    new_square = BETA_2 * tf.gather(square, rows) + (1.0 - BETA_2) * tf.square(values)
    mean.scatter_update(tf.IndexedSlices(new_mean, rows))
    square.scatter_update(tf.IndexedSlices(new_square, rows))
    change = rate * new_mean / (tf.sqrt(new_square) + EPSILON)
    variable.scatter_sub(tf.IndexedSlices(change, rows))
