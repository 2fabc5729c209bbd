"""The functions between the products, those with a gradient written down among them.

Automatic differentiation walks back through every op of them; written down, a gradient is a few.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
from keras import ops

from finesweep.models.config import LAYER_NORM_EPSILON

Tensor = Any  # a backend tensor; Keras has no type for it

_MASKED_SCORE = -1e9
_SQRT_HALF = 0.5**0.5
_DENSITY_AT_0 = (2.0 * math.pi) ** -0.5


@tf.custom_gradient
def layer_norm(inputs: Tensor, scale: Tensor, shift: Tensor) -> Any:
    """Layer normalisation (Ba et al., arXiv 1607.06450) of rows, with its gradient written down.

    ``inputs`` of shape (rows, dim), ``scale`` and ``shift`` float32 of shape (dim,). Computed in
    float32. The gradient needs two sums a row, where automatic differentiation walks back through
    every op: a third less time for both ways. It normalises the inputs again: they and two numbers
    a row are kept for it, in bfloat16 half of what the normalised rows would take.
    """
    wide = tf.cast(inputs, tf.float32)
    mean = tf.reduce_mean(wide, axis=-1, keepdims=True)
    centred = wide - mean
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + LAYER_NORM_EPSILON)

    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Tied to upstream: ops like those above would be merged with them, and the results kept.
        with tf.control_dependencies([upstream]):
            normal = (tf.cast(inputs, tf.float32) - mean) * inverse
        upstream = tf.cast(upstream, tf.float32)
        by_normal = upstream * scale
        average = tf.reduce_mean(by_normal, axis=-1, keepdims=True)
        along = tf.reduce_mean(by_normal * normal, axis=-1, keepdims=True)
        by_inputs = tf.cast(inverse * (by_normal - average - normal * along), inputs.dtype)
        return by_inputs, tf.reduce_sum(upstream * normal, axis=0), tf.reduce_sum(upstream, axis=0)

    return tf.cast(centred * inverse * scale + shift, inputs.dtype), gradient


@tf.custom_gradient
def attention_weights(scores: Tensor, visible: Tensor) -> Any:
    """The softmax of ``scores`` over their last axis, of those that ``visible`` says alone.

    ``visible``, boolean, has a shape that is broadcast to that of ``scores``. Computed in float32
    whatever the precision: bfloat16 has too few digits for a sum of exponentials. The gradient,
    written down, keeps what goes on and nothing wider.
    """
    wide = tf.where(visible, tf.cast(scores, tf.float32), _MASKED_SCORE)
    weights = tf.cast(tf.nn.softmax(wide), scores.dtype)

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        # All weights are equal where nothing is visible: no gradient may pass there either.
        kept = tf.where(visible, tf.cast(weights, tf.float32), 0.0)
        weighted = tf.cast(upstream, tf.float32) * kept
        total = tf.reduce_sum(weighted, axis=-1, keepdims=True)
        return tf.cast(weighted - kept * total, scores.dtype), None

    return weights, gradient


@tf.custom_gradient
def gelu(inputs: Tensor) -> Any:
    """The exact, erf form of GELU, x·Φ(x), which BERT and DistilBERT were trained with.

    Computed in float32, where erf has a fast kernel, with the derivative Φ(x) + x·φ(x) written
    down: left to automatic differentiation it took a sixth of a training step.
    """
    wide = tf.cast(inputs, tf.float32)
    cumulative = 0.5 + 0.5 * tf.math.erf(wide * _SQRT_HALF)
    slope = tf.cast(cumulative + wide * _DENSITY_AT_0 * tf.exp(-0.5 * wide * wide), inputs.dtype)
    # The slope first: computed any later, it would hold two matrices in float32 until then.
    with tf.control_dependencies([slope]):
        outputs = tf.cast(wide * cumulative, inputs.dtype)
    return outputs, lambda upstream: upstream * slope


def relu(inputs: Tensor) -> Tensor:
    """The larger of 0 and the input; not-a-number stays what it is, as it does on torch.

    TensorFlow's own kernel makes 0 of it, and a model that has diverged would look healthy.
    """
    return ops.relu(inputs) + 0.0 * inputs


def activate(inputs: Tensor, activation: str, *, training: bool) -> Tensor:
    """The activation of the feed-forward layer."""
    if activation == "relu":
        return relu(inputs)
    # Without a gradient to keep for, TensorFlow melts its own GELU into the product before it.
    return gelu(inputs) if training else ops.gelu(inputs, approximate=False)
