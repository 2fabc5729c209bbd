"""Matrix products in bfloat16, in the forms of which oneDNN keeps little.

TensorFlow keeps what oneDNN prepared for a product, for each shape and for the life of a thread. Of
a plain product that is 0.3 MB where a processor multiplies bfloat16, and a worker meets new shapes
of batches for a long time. Of an inner product, which is a product with a bias, it is a fifth of
that, and of a product by Eigen nothing. They cost a step about half a hundredth.

Other types are multiplied as TensorFlow does it.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from finesweep.models.functional import Tensor


@tf.custom_gradient
def dense(inputs: Tensor, kernel: Tensor, bias: Tensor, zeros: Tensor) -> Any:
    """``inputs`` of shape (rows, width) times ``kernel``, (width, units), plus ``bias``, (units,).

    ``zeros`` of shape (width,) makes an inner product of the gradient by the inputs too. It must
    not be known to be zeros when a graph is optimised: its addition would be left out.
    """

    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        by_inputs = tf.matmul(upstream, kernel, transpose_b=True)
        if inputs.dtype == tf.bfloat16:
            by_inputs = tf.nn.bias_add(by_inputs, zeros)
        by_kernel = tf.matmul(inputs, upstream, transpose_a=True)
        return by_inputs, by_kernel, tf.reduce_sum(upstream, axis=0), None

    return tf.nn.bias_add(tf.matmul(inputs, kernel), bias), gradient


@tf.custom_gradient
def batched(left: Tensor, right: Tensor) -> Any:
    """``left`` of shape (batch, rows, inner) times ``right``, (batch, inner, columns).

    For products of few rows: in larger ones Eigen is several times as slow as oneDNN.
    """

    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
        return _multiply(upstream, right, adj_y=True), _multiply(left, upstream, adj_x=True)

    return _multiply(left, right), gradient


@tf.custom_gradient
def batched_transposed(left: Tensor, right: Tensor) -> Any:
    """``batched`` with a ``right`` of shape (batch, columns, inner)."""

    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
        return _multiply(upstream, right), _multiply(upstream, left, adj_x=True)

    return _multiply(left, right, adj_y=True), gradient


def _multiply(left: Tensor, right: Tensor, *, adj_x: bool = False, adj_y: bool = False) -> Tensor:
    """By Eigen in bfloat16, as ``tf.matmul`` does it in any other type."""
    if left.dtype != tf.bfloat16:
        return tf.matmul(left, right, transpose_a=adj_x, transpose_b=adj_y)
    # In float32, since Eigen rounds sums in bfloat16 on the way. Of this version of the op
    # TensorFlow makes no oneDNN's, as it does of tf.matmul's.
    x, y = tf.cast(left, tf.float32), tf.cast(right, tf.float32)
    product = tf.raw_ops.BatchMatMulV3(x=x, y=y, Tout=tf.float32, adj_x=adj_x, adj_y=adj_y)
    return tf.cast(product, left.dtype)
