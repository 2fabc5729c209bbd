"""Which machine and which versions a result was measured with; no names of hosts or folders."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.environments import versions_in
from finesweep.sweeps.machine import Machine
from finesweep.training.precision import cpu_flags

# The instruction sets that decide how fast products are.
_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16")
OUR_PACKAGES = ["tensorflow", "tensorflow-cpu", "keras", "numpy", "optuna", "mlflow", "tokenizers"]


@dataclass(frozen=True, kw_only=True)
class MachineKind:
    """What results must have in common to be compared."""

    cpu: str
    cores: int
    flags: tuple[str, ...]
    gpus: tuple[str, ...]

    @property
    def description(self) -> str:
        """The machine in a few words."""
        gpus = ", ".join(self.gpus) or "no GPU"
        return f"{self.cpu}, {self.cores} cores ({' '.join(self.flags)}), {gpus}"


def this_machine() -> MachineKind:
    """The machine this process runs on, as far as it may use it."""
    present = cpu_flags()
    here = Machine.here()
    return MachineKind(
        cpu=_cpu_name(),
        cores=here.cores,
        flags=tuple(flag for flag in _FLAGS if flag in present),
        gpus=_gpu_names() if here.gpus else (),
    )


def our_versions() -> dict[str, str]:
    """Versions of finesweep, of Python and of what computes."""
    from finesweep import __version__

    return {"finesweep": __version__, **versions_in(Path(sys.executable), OUR_PACKAGES)}


def _cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _gpu_names() -> tuple[str, ...]:
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tuple(line.strip() for line in asked.stdout.splitlines() if line.strip())
