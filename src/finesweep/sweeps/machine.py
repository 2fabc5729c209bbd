"""What this machine has for a sweep, and how many workers that carries."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from finesweep.sweeps.cgroup import Cgroup, read
from finesweep.sweeps.gpus import GPU_ADVICE, cuda_is_there, visible_gpus

# A worker that has loaded TensorFlow and met all shapes of batches, and what training adds to it:
# weights, gradients and Adam's two moments in float32, and room for activations and copies. Workers
# of 22.7 and 66 million weights held 1.4 to 1.65 and 2.3 to 2.6 GB (benchmarks/kept_worker.py).
WORKER_BYTES = 1_000_000_000
BYTES_A_PARAMETER = 24

TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, kw_only=True)
class WorkerChoice:
    """How many workers to run, and in one line why so many."""

    workers: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a sweep can use: cores to compute on, GPUs, and bytes of memory that are free.

    ``idle_gpus`` are there, and TensorFlow cannot use them.
    """

    cores: int
    gpus: int
    free_memory: int
    idle_gpus: int = 0

    @classmethod
    def here(cls) -> Machine:
        """What the machine we run on has for this process at this moment."""
        cgroup = Cgroup()
        visible = len(visible_gpus())
        usable = visible if visible and cuda_is_there() else 0
        return cls(
            cores=min(len(physical_cores(usable_cores())), core_budget(cgroup)),
            gpus=usable,
            free_memory=_least(psutil.virtual_memory().available, cgroup.memory_free),
            idle_gpus=visible - usable,
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
    if machine.idle_gpus:
        why.append(f"{_count(machine.idle_gpus, 'GPU')} that TensorFlow cannot use ({GPU_ADVICE})")
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
    """The cores each of ``workers`` is pinned to: all of them dealt out, none to two.

    Logical cores of one physical core go to one worker, while there is a physical one for each.
    Shares are empty, which pins nothing, for a single worker, where there are more workers than
    cores, and where the system knows no pinning.
    """
    if workers == 1 or workers > len(cores) or not hasattr(os, "sched_setaffinity"):
        return [()] * workers
    groups = physical_cores(cores, topology=topology)
    if workers > len(groups):
        groups = tuple((core,) for group in groups for core in group)
    each, more = divmod(len(groups), workers)
    shares, dealt = [], 0
    for worker in range(workers):
        count = each + (worker < more)
        shares.append(tuple(core for group in groups[dealt : dealt + count] for core in group))
        dealt += count
    return shares


def thread_count(share: Sequence[int], *, workers: int) -> int:
    """Threads for a worker with so many cores; where a container has a quota, its part of that."""
    budget = core_budget()
    is_limited = budget < len(usable_cores())
    return max(1, budget // workers if is_limited or not share else len(share))


def fair_memory_share(workers: int) -> int:
    """Bytes that each of so many workers may hold without the system running out of them."""
    usable = _least(psutil.virtual_memory().total, Cgroup().memory_limit)
    return int(usable * 0.9 / workers)


def _least(memory: int, limit: int | None) -> int:
    return memory if limit is None else min(memory, limit)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number in (0, 1) else 's'}"
