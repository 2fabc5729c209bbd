"""Our Adam against Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from finesweep.training.adam import RowwiseAdam


def test_dense_weights_move_as_under_keras_adam() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(5, 3)).astype("float32")
    ours, theirs = tf.Variable(start), keras.Variable(start)
    optimizer = RowwiseAdam([ours])
    optimizer.reset(1e-2)
    reference = keras.optimizers.Adam(learning_rate=1e-2)
    for _ in range(20):
        gradient = rng.normal(size=(5, 3)).astype("float32")
        optimizer.apply([tf.constant(gradient)])
        reference.apply([tf.constant(gradient)], [theirs])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    assert np.abs(ours.numpy() - start).max() > 0.05


def test_rows_that_occur_in_every_step_move_as_dense_ones_and_repeats_add_up() -> None:
    rng = np.random.default_rng(1)
    start = rng.normal(size=(4, 2)).astype("float32")
    by_rows, dense = tf.Variable(start), tf.Variable(start)
    row_optimizer, dense_optimizer = RowwiseAdam([by_rows]), RowwiseAdam([dense])
    row_optimizer.reset(1e-2)
    dense_optimizer.reset(1e-2)
    for _ in range(10):
        indices = np.array([0, 2, 2, 3, 1, 0])
        values = rng.normal(size=(6, 2)).astype("float32")
        summed = np.zeros((4, 2), dtype="float32")
        np.add.at(summed, indices, values)
        slices = tf.IndexedSlices(tf.constant(values), tf.constant(indices), (4, 2))
        row_optimizer.apply([slices])
        dense_optimizer.apply([tf.constant(summed)])
    np.testing.assert_allclose(by_rows.numpy(), dense.numpy(), rtol=1e-4, atol=1e-5)


def test_rows_that_do_not_occur_stay_as_they_are() -> None:
    table = tf.Variable(np.ones((3, 2), dtype="float32"))
    optimizer = RowwiseAdam([table])
    optimizer.reset(0.1)
    for indices in ([0, 1], [1]):
        values = tf.ones((len(indices), 2))
        optimizer.apply([tf.IndexedSlices(values, tf.constant(indices), (3, 2))])
    moved = table.numpy()
    assert moved[0, 0] == pytest.approx(0.9, abs=1e-4)  # one step, and no momentum after it
    assert moved[1, 0] == pytest.approx(0.8, abs=1e-3)
    np.testing.assert_array_equal(moved[2], [1.0, 1.0])


def test_reset_forgets_every_step() -> None:
    weights = tf.Variable([1.0, 2.0])
    optimizer = RowwiseAdam([weights])
    optimizer.reset(0.1)
    optimizer.apply([tf.constant([1.0, -5.0])])
    first = weights.numpy()
    weights.assign([1.0, 2.0])
    optimizer.reset(0.1)
    optimizer.apply([tf.constant([1.0, -5.0])])
    np.testing.assert_array_equal(weights.numpy(), first)
