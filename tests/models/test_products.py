"""The products against TensorFlow's own, and what oneDNN keeps of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from finesweep.models.products import batched, batched_transposed, dense
from finesweep.training.precision import cpu_flags, cpu_precision

Function = Callable[..., Any]

ONE_NEW_SHAPE = """
import numpy as np
from finesweep.models import DistilBertConfig
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.training.precision import dtype_policy
from finesweep.training.step import TrainStep

# As wide as it must be for graphs to take a row of zeros as given from outside.
config = DistilBertConfig(vocab_size=50, dim=192, n_layers=2, n_heads=4, hidden_dim=256)
model = TFDistilBertForSequenceClassification(config, dtype=dtype_policy("bfloat16"))
step = TrainStep(model)
for length in (9, 11):
    print("length", length, flush=True)
    ids = np.ones((16, length), np.int32)
    float(step(ids, ids, np.zeros(16, np.int32)))
"""


def with_bias(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return dense(inputs, kernel, bias, tf.zeros(kernel.shape[0], inputs.dtype))


def drawn(*shape: int) -> tf.Tensor:
    """Numbers that bfloat16 has, so that only what is computed from them is rounded."""
    numbers = np.random.default_rng(sum(shape)).normal(size=shape)
    return tf.cast(tf.cast(tf.constant(numbers), tf.bfloat16), tf.float64)


def with_gradients(function: Function, *arguments: tf.Tensor) -> list[Any]:
    """What ``function`` returns, and the gradients of a sum of it that weighs each number."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        result = function(*arguments)
        total = tf.reduce_sum(result * tf.cast(drawn(*result.shape), result.dtype))
    return [result, *tape.gradient(total, arguments)]


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # In bfloat16 as near as one rounding of each number: sums are kept in float32.
    [(tf.float64, 1e-12), (tf.float32, 1e-5), (tf.float16, 1e-2), (tf.bfloat16, 2**-8)],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.parametrize(
    ("ours", "theirs", "shapes"),
    [
        (
            with_bias,
            lambda x, kernel, bias: x @ kernel + bias,
            [(7, 130), (130, 140), (140,)],
        ),
        (batched, tf.matmul, [(2, 3, 150), (2, 150, 140)]),
        (
            batched_transposed,
            lambda left, right: tf.matmul(left, right, transpose_b=True),
            [(2, 3, 150), (2, 140, 150)],
        ),
    ],
    ids=["dense", "batched", "batched_transposed"],
)
def test_products_and_their_gradients_are_the_exact_ones(
    ours: Function,
    theirs: Function,
    shapes: list[tuple[int, ...]],
    dtype: tf.DType,
    tolerance: float,
) -> None:
    exact = [drawn(*shape) for shape in shapes]
    computed = with_gradients(tf.function(ours), *(tf.cast(number, dtype) for number in exact))
    if ours is with_bias and dtype == tf.bfloat16 and cpu_precision() != "bfloat16":
        # Where the processor only imitates bfloat16, TensorFlow rounds in the middle of a sum, too.
        tolerance *= 2
    for mine, right in zip(computed, with_gradients(theirs, *exact), strict=True):
        scale = np.abs(right).max()
        np.testing.assert_allclose(tf.cast(mine, tf.float64) / scale, right / scale, atol=tolerance)


@pytest.mark.skipif("avx512_bf16" not in cpu_flags(), reason="needs a processor with AVX512-BF16")
def test_a_new_shape_of_batches_leaves_few_products_that_take_memory() -> None:
    """Three of attention, four of the gradients by kernels; the others are of a leaner kind."""
    environment = {
        **os.environ,
        "ONEDNN_VERBOSE": "2",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    finished = subprocess.run(
        [sys.executable, "-c", ONE_NEW_SHAPE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    *_, of_new_shape = finished.stdout.split("length 11")
    made = [line for line in of_new_shape.splitlines() if "create:cache_miss" in line]
    assert sum("inner_product" in line for line in made) >= 8
    assert sum("brg_matmul" in line for line in made) <= 7
