"""Which precision this machine multiplies fastest in."""

from __future__ import annotations

from pathlib import Path

# Instruction sets with a bfloat16 product (x86, then ARM); without one, bfloat16 is emulated and
# slower than float32.
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
# NVIDIA's Ampere, the first generation with bfloat16.
_BFLOAT16_CAPABILITY = (8, 0)


def resolve_precision(precision: str) -> str:
    """``float32`` or ``bfloat16``; ``auto`` asks the processors. Weights are float32 either way."""
    if precision != "auto":
        return precision
    capabilities = gpu_capabilities()
    if not capabilities:
        return cpu_precision()
    return "bfloat16" if min(capabilities) >= _BFLOAT16_CAPABILITY else "float32"


def cpu_precision() -> str:
    """What ``auto`` comes to without a GPU; found without TensorFlow."""
    return "bfloat16" if _BFLOAT16_FLAGS & cpu_flags() else "float32"


def gpu_capabilities() -> list[tuple[int, int]]:
    """The compute capability of every GPU TensorFlow sees; (0, 0) for one that has none."""
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [detail.get("compute_capability", (0, 0)) for detail in details]


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The instruction sets the processor names; empty where the system does not tell."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    # x86 calls them flags, ARM Features.
    named = (line.split(":", 1) for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next((line[1].split() for line in named if len(line) == 2), ()))


def dtype_policy(precision: str) -> str:
    """The Keras dtype policy of a resolved precision."""
    return "mixed_bfloat16" if precision == "bfloat16" else "float32"
