"""``python -m benchmarks.compare.peak [CORE]``: the fastest matrix products here.

Prints operations per second in each precision, as JSON: of the one core it is given, else
of all cores, or of the GPU. Large square products, the best of several tries: what a training step
could reach at most.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

PRECISIONS = ("float32", "bfloat16")
CPU_SIZES = (1024, 2048)
GPU_SIZES = (4096, 8192)
TRIES = 8
SECONDS_A_TRY = 0.15


def main() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ[name] = "1"

    import tensorflow as tf

    sizes = GPU_SIZES if tf.config.list_physical_devices("GPU") else CPU_SIZES
    fastest = {
        precision: max(_best(tf, size, precision=precision) for size in sizes)
        for precision in PRECISIONS
    }
    print(json.dumps(fastest))


def _best(tf: Any, size: int, *, precision: str) -> float:
    left, right = (tf.cast(tf.random.normal((size, size)), precision) for _ in range(2))
    multiply = tf.function(lambda a, b: tf.matmul(a, b), autograph=False)

    def seconds(repeats: int) -> float:
        began = time.perf_counter()
        for _ in range(repeats):
            product = multiply(left, right)
        # Waits for the device, which a call alone does not.
        product[0, 0].numpy()
        return time.perf_counter() - began

    seconds(1)  # traces
    repeats = max(1, round(SECONDS_A_TRY / seconds(1)))
    fastest = min(seconds(repeats) for _ in range(TRIES))
    return float(2 * size**3 * repeats / fastest)


if __name__ == "__main__":
    main()
