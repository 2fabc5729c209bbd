"""Which GPUs there are, and whether TensorFlow can use them, without loading it: it takes seconds.

NVIDIA's own tool knows the GPUs, and without CUDA's libraries TensorFlow computes without them.
"""

from __future__ import annotations

import os
import re
import subprocess
from ctypes.util import find_library
from importlib.util import find_spec

ASK_SECONDS = 5.0
GPU_ADVICE = "pip install 'finesweep[gpu]' brings the libraries it needs"

# "GPU 0: NVIDIA H100 (UUID: GPU-…)", and indented below it the parts it may be divided into:
# "  MIG 1g.10gb Device 0: (UUID: MIG-…)".
_LINE = re.compile(r"(?P<indent>\s*)(?:GPU|MIG) .*\(UUID: (?P<uuid>\S+)\)\s*")


def visible_gpus() -> tuple[str, ...]:
    """The GPUs this process may use, by the names that CUDA_VISIBLE_DEVICES understands.

    Empty without a driver that answers. Where the user has set CUDA_VISIBLE_DEVICES, these are his
    devices in his order; as in CUDA, a name that is not there hides those behind it.
    """
    present = _parse(_ask_driver())
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return tuple(uuid for parts in present.values() for uuid in parts)
    visible: list[str] = []
    for name in (word.strip() for word in chosen.split(",")):
        if not _is_present(name, present):
            break
        visible.append(name)
    return tuple(visible)


def usable_gpus() -> tuple[str, ...]:
    """The visible GPUs; none where TensorFlow finds no CUDA libraries."""
    gpus = visible_gpus()
    return gpus if gpus and cuda_is_there() else ()


def cuda_is_there() -> bool:
    """Whether NVIDIA's wheels, or the system, have the libraries that TensorFlow needs."""
    in_wheel = find_spec("nvidia") is not None and find_spec("nvidia.cudnn") is not None
    return in_wheel or find_library("cudnn") is not None


def _ask_driver() -> str:
    try:
        asked = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout


def _parse(listing: str) -> dict[str, list[str]]:
    """The devices of each GPU, by its UUID: the GPU itself, or its parts where it is divided."""
    present: dict[str, list[str]] = {}
    gpu = ""
    for found in filter(None, map(_LINE.fullmatch, listing.splitlines())):
        if not found["indent"]:
            gpu = found["uuid"]
            present[gpu] = [gpu]
        elif gpu:
            present[gpu] = [part for part in present[gpu] if part != gpu] + [found["uuid"]]
    return present


def _is_present(name: str, present: dict[str, list[str]]) -> bool:
    if name.isdigit():
        return int(name) < len(present)
    # CUDA takes the beginning of a UUID for all of it.
    devices = [*present, *(part for parts in present.values() for part in parts)]
    return bool(name) and any(device.startswith(name) for device in devices)
