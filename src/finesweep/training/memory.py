"""How much memory this process has used, how it is used again, and how it is given back."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import tensorflow as tf


def peak_memory_mb() -> float:
    """The process's largest resident set so far, in MiB; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def overwrite(variable: tf.Variable, numbers: Any) -> None:
    """Give ``variable`` other numbers, of its own shape or one for all, in the memory it has.

    ``assign`` would take new memory, which the system hands out page by page: for weights and
    Adam's moments that takes longer than to write them.
    """
    _write(variable, numbers, rows=tf.range(variable.shape[0]))


def own(variable: tf.Variable) -> None:
    """Give ``variable`` memory of its own, in case another tensor lies in what it has.

    What was assigned to it may, for as long as nobody changes either through TensorFlow.
    """
    nothing = tf.zeros((0, *variable.shape[1:]), variable.dtype)
    _write(variable, nothing, rows=tf.range(0))


def _write(variable: tf.Variable, numbers: Any, *, rows: tf.Tensor) -> None:
    variable.scatter_update(tf.IndexedSlices(tf.constant(numbers, variable.dtype), rows))
    # A variable that was written by rows hands out copies of itself from then on, and copies itself
    # for each dense update: without this the steps that follow take a tenth longer.
    tf.raw_ops.DisableCopyOnRead(resource=variable.handle)


def give_back_free_memory() -> None:
    """Return to the system what the C library holds of memory that was freed.

    It keeps freed memory for later, in pieces between what is still in use: with every new shape of
    batches there are more of them, and a worker grows from trial to trial. Takes milliseconds; does
    nothing where the C library has no such function (it is glibc's ``malloc_trim``).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
