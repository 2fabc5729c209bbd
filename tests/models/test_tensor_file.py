"""Our writer of safetensors files, read back by the library."""

from __future__ import annotations

import io
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from safetensors.numpy import load

from finesweep.models.tensor_file import TensorLayout, view_of, write_tensors

TENSORS: dict[str, tuple[str, NDArray[Any]]] = {
    "matrix": ("F32", np.arange(6, dtype=np.float32).reshape(2, 3)),
    "transposed": ("F32", np.arange(6, dtype=np.float32).reshape(2, 3).T),
    "flags": ("BOOL", np.array([True, False, True])),
    "number": ("I64", np.array(7, dtype=np.int64)),
    "halves": ("F16", np.array([0.5, -2.0], dtype=np.float16)),
    "bytes": ("U8", np.array([1, 2, 255], dtype=np.uint8)),
    "nothing": ("F64", np.zeros((0, 4))),
}
LAYOUTS = {name: TensorLayout(dtype, array.shape) for name, (dtype, array) in TENSORS.items()}


def test_the_library_reads_what_was_written() -> None:
    stream = io.BytesIO()
    arrays = [array for _, array in TENSORS.values()]
    write_tensors(stream, arrays, layouts=LAYOUTS, metadata={"format": "pt"})

    read = load(stream.getvalue())
    assert read.keys() == TENSORS.keys()
    for name, (_, array) in TENSORS.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_no_tensor_is_held_but_the_one_before() -> None:
    alive: list[weakref.ref[Any]] = []

    def one_at_a_time() -> Iterator[NDArray[Any]]:
        for _ in range(4):
            assert sum(reference() is not None for reference in alive) <= 1
            array = np.ones(3, dtype=np.float32)
            alive.append(weakref.ref(array))
            yield array
            del array

    layouts = {f"tensor {number}": TensorLayout("F32", (3,)) for number in range(4)}
    write_tensors(io.BytesIO(), one_at_a_time(), layouts=layouts, metadata={})
    assert len(alive) == 4


def test_a_tensor_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 12 bytes of weights, received 8"):
        write_tensors(
            io.BytesIO(),
            [np.ones(2, dtype=np.float32)],
            layouts={"weights": TensorLayout("F32", (3,))},
            metadata={},
        )


def test_a_view_copies_nothing_and_stays_what_it_was() -> None:
    """Also of an embedding, which every step writes by rows."""
    table = tf.Variable(np.zeros((3, 2), dtype=np.float32))
    rows = tf.IndexedSlices(tf.ones((1, 2)), tf.constant([1]))
    table.scatter_sub(rows)
    view = view_of(table)
    assert np.shares_memory(view, view_of(table))
    table.scatter_sub(rows)
    np.testing.assert_array_equal(view[1], [-1.0, -1.0])
    np.testing.assert_array_equal(table.numpy()[1], [-2.0, -2.0])
