"""What this machine has for a sweep, and how many workers that carries."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from finesweep.sweeps.cgroup import Cgroup, read
from finesweep.sweeps.gpus import visible_gpus

# A worker that has loaded TensorFlow and traced a step, and what training adds to it: weights,
# gradients and Adam's two moments in float32, and room for activations and copies.
WORKER_BYTES = 700_000_000
BYTES_A_PARAMETER = 24

TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, kw_only=True)
class WorkerChoice:
    """How many workers to run, and in one line why so many."""

    workers: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a sweep can use: cores to compute on, GPUs, and bytes of memory that are free."""

    cores: int
    gpus: int
    free_memory: int

    @classmethod
    def here(cls) -> Machine:
        """What the machine we run on has for this process at this moment."""
        cgroup = Cgroup()
        return cls(
            cores=min(len(physical_cores(usable_cores())), core_budget(cgroup)),
            gpus=len(visible_gpus()),
            free_memory=_least(psutil.virtual_memory().available, cgroup.memory_free),
        )


def choose_workers(
    *, parameters: int, trials: int | None = None, machine: Machine | None = None
) -> WorkerChoice:
    """How many workers a model of so many parameters is best trained with, for ``--workers auto``.

    One for each GPU, or without any one for each core; not more than the free memory carries, nor
    than there are trials; at least one.
    """
    machine = machine or Machine.here()
    need = WORKER_BYTES + BYTES_A_PARAMETER * parameters
    most = machine.gpus or machine.cores
    workers = min(most, machine.free_memory // need, most if trials is None else trials)
    workers = max(1, workers)
    why = [
        _count(machine.cores, "core"),
        _count(machine.gpus, "GPU"),
        f"{machine.free_memory / 1e9:.1f} GB free at about {need / 1e9:.1f} GB each",
    ]
    if trials is not None and trials < most:
        why.append(_count(trials, "trial"))
    return WorkerChoice(workers=workers, why=f"{_count(workers, 'worker')}: {', '.join(why)}")


def usable_cores() -> tuple[int, ...]:
    """The logical cores this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def core_budget(cgroup: Cgroup | None = None) -> int:
    """How many logical cores' worth of time this process gets: a container may set a quota."""
    quota = (cgroup or Cgroup()).cpu_quota
    usable = len(usable_cores())
    return usable if quota is None else max(1, min(usable, math.floor(quota)))


def physical_cores(
    cores: Sequence[int], *, topology: Path = TOPOLOGY
) -> tuple[tuple[int, ...], ...]:
    """The logical cores in groups that share a physical one; alone where the system is silent."""
    groups: dict[str, list[int]] = {}
    for core in cores:
        siblings = read(topology / f"cpu{core}" / "topology" / "thread_siblings_list")
        groups.setdefault(siblings.strip() or str(core), []).append(core)
    return tuple(tuple(group) for group in groups.values())


def core_shares(
    cores: Sequence[int], workers: int, *, topology: Path = TOPOLOGY
) -> list[tuple[int, ...]]:
    """The cores each of ``workers`` is pinned to: equal shares, none in two of them.

    Logical cores of one physical core go to one worker as far as that comes out even. Shares are
    empty, which pins nothing, for a single worker, where there are more workers than cores, and
    where the system knows no pinning.
    """
    each = len(cores) // workers
    if workers == 1 or each == 0 or not hasattr(os, "sched_setaffinity"):
        return [()] * workers
    neighbours = [core for group in physical_cores(cores, topology=topology) for core in group]
    return [tuple(neighbours[slot * each : (slot + 1) * each]) for slot in range(workers)]


def fair_memory_share(workers: int) -> int:
    """Bytes that each of so many workers may hold without the system running out of them."""
    usable = _least(psutil.virtual_memory().total, Cgroup().memory_limit)
    return int(usable * 0.9 / workers)


def _least(memory: int, limit: int | None) -> int:
    return memory if limit is None else min(memory, limit)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number in (0, 1) else 's'}"
