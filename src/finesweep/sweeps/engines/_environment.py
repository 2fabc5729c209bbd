"""The variables that libraries read once, when they load, and a worker therefore starts with."""

from __future__ import annotations

import os

from finesweep.training.precision import cpu_flags

# Instruction sets for neural networks, with any of which TensorFlow chooses oneDNN by itself.
_ONEDNN_FLAGS = frozenset(
    {"avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"}
)


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
    """Matrix products of oneDNN, where TensorFlow could use them but does not by itself.

    With AVX2 and no more than that a step takes a seventh less time with them. TensorFlow's pool of
    memory, which comes with them, saves no time there, and keeps what batches leave: 0.3 GB.
    """
    flags = cpu_flags()
    if "avx2" not in flags or flags & _ONEDNN_FLAGS:
        return {}
    return {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}
