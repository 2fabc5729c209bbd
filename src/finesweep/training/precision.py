"""Which precision this machine multiplies fastest in."""

from __future__ import annotations

from pathlib import Path

# Instruction sets with a bfloat16 matrix product; without one, bfloat16 is emulated and slower.
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def resolve_precision(precision: str) -> str:
    """``float32`` or ``bfloat16``; ``auto`` asks the processor. Weights are float32 either way."""
    if precision != "auto":
        return precision
    import tensorflow as tf

    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    return "bfloat16" if has_gpu or _BFLOAT16_FLAGS & cpu_flags() else "float32"


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The instruction sets the processor names; empty where the system does not tell."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = (line.split(":", 1)[1] for line in lines if line.startswith("flags") and ":" in line)
    return frozenset(next(flags, "").split())


def dtype_policy(precision: str) -> str:
    """The Keras dtype policy of a resolved precision."""
    return "mixed_bfloat16" if precision == "bfloat16" else "float32"
