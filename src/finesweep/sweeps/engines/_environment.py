"""The variables that libraries read once, when they load, and a worker therefore starts with."""

from __future__ import annotations

import os

from finesweep.training.precision import cpu_flags


def worker_environment(*, threads: int, gpu: str | None) -> dict[str, str]:
    """What a worker's environment has besides the coordinator's; what the user set is left alone.

    ``gpu`` is the one that the worker sees, where there are any.
    """
    wanted = {
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        **_kernels(),
    }
    if gpu is not None:
        # No more of its memory than it needs: others may share it.
        wanted["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    chosen = {name: value for name, value in wanted.items() if name not in os.environ}
    return chosen if gpu is None else {**chosen, "CUDA_VISIBLE_DEVICES": gpu}


def _kernels() -> dict[str, str]:
    """OneDNN's matrix products, which TensorFlow uses by itself on newer processors alone.

    With AVX2 and no more than that a step takes a seventh less time with them.
    """
    return {"TF_ENABLE_ONEDNN_OPTS": "1"} if "avx2" in cpu_flags() else {}
