from __future__ import annotations

import sys

import numpy as np
import psutil
import pytest
import tensorflow as tf

from finesweep.models.tensor_file import view_of
from finesweep.training.memory import give_back_free_memory, overwrite, own, peak_memory_mb

MIB = 2**20


def test_the_peak_is_in_mebibytes() -> None:
    held = psutil.Process().memory_info().rss / MIB
    assert held * 0.5 < peak_memory_mb() < 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc_trim")
def test_freed_memory_goes_back_to_the_system() -> None:
    # Small pieces come from the heap; every thousandth stays, so that its end cannot just shrink.
    pieces = [b"x" * 2000 + number.to_bytes(4, "little") for number in range(100_000)]
    stays = pieces[::1000]
    pieces.clear()
    before = psutil.Process().memory_info().rss
    give_back_free_memory()
    given_back = before - psutil.Process().memory_info().rss
    assert given_back > 100 * MIB
    assert len(stays) == 100


def test_numbers_are_overwritten_where_they_are() -> None:
    variable = tf.Variable(tf.fill((3, 2), float("nan")))
    before = variable.numpy()
    overwrite(variable, 0.0)
    np.testing.assert_array_equal(variable.numpy(), np.zeros((3, 2)))
    overwrite(variable, tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    np.testing.assert_array_equal(variable.numpy(), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    # What was read before stays what it was.
    assert np.isnan(before).all()


def test_a_variable_that_was_overwritten_is_read_without_a_copy() -> None:
    variable = tf.Variable(tf.ones((3, 2)))
    overwrite(variable, 0.0)
    first, second = (np.asarray(variable.read_value()) for _ in range(2))
    assert np.shares_memory(first, second)


def test_a_variable_that_was_overwritten_is_updated_in_place() -> None:
    variable = tf.Variable(tf.ones((3, 2)))
    address = view_of(variable).ctypes.data
    overwrite(variable, 0.0)
    one = tf.constant(1.0)
    tf.raw_ops.ResourceApplyGradientDescent(
        var=variable.handle, alpha=one, delta=tf.fill((3, 2), one)
    )
    np.testing.assert_array_equal(variable.numpy(), np.full((3, 2), -1.0))
    assert view_of(variable).ctypes.data == address


def test_owned_memory_is_no_other_tensors() -> None:
    tensor = tf.fill((3, 2), float("nan"))
    variable = tf.Variable(tf.zeros((3, 2)))
    variable.assign(tensor)
    assert np.shares_memory(view_of(variable), np.asarray(tensor))
    own(variable)
    own_memory = view_of(variable).ctypes.data
    assert not np.shares_memory(view_of(variable), np.asarray(tensor))
    assert np.isnan(variable.numpy()).all()
    own(variable)
    assert view_of(variable).ctypes.data == own_memory
