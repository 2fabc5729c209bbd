from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from finesweep.sweeps import machine
from finesweep.sweeps.machine import (
    Machine,
    choose_workers,
    core_budget,
    core_shares,
    fair_memory_share,
    physical_cores,
    thread_count,
    usable_cores,
)

GB = 10**9


@pytest.mark.parametrize(
    ("of", "parameters", "trials", "workers", "why"),
    [
        (
            Machine(cores=2, gpus=0, free_memory=21_300_000_000),
            30_000_000,
            None,
            2,
            "2 workers: 2 cores, no GPU, 21.3 GB free at about 1.7 GB each",
        ),
        (
            Machine(cores=8, gpus=0, free_memory=4 * GB),
            30_000_000,
            40,
            2,
            "2 workers: 8 cores, no GPU, 4.0 GB free at about 1.7 GB each",
        ),
        (
            Machine(cores=16, gpus=4, free_memory=100 * GB),
            66_000_000,
            40,
            4,
            "4 workers: 16 cores, 4 GPUs, 100.0 GB free at about 2.6 GB each",
        ),
        (
            Machine(cores=8, gpus=0, free_memory=100 * GB),
            66_000_000,
            3,
            3,
            "3 workers: 8 cores, no GPU, 100.0 GB free at about 2.6 GB each, 3 trials",
        ),
        (
            Machine(cores=1, gpus=1, free_memory=GB),
            66_000_000,
            0,
            1,
            "1 worker: 1 core, 1 GPU, 1.0 GB free at about 2.6 GB each, no trial",
        ),
        (
            Machine(cores=2, gpus=0, free_memory=100 * GB, idle_gpus=1),
            66_000_000,
            None,
            2,
            "2 workers: 2 cores, no GPU, 100.0 GB free at about 2.6 GB each, 1 GPU that TensorFlow "
            "cannot use (pip install 'finesweep[gpu]' brings the libraries it needs)",
        ),
    ],
)
def test_auto_looks_at_cores_gpus_memory_and_trials(
    of: Machine, parameters: int, trials: int | None, workers: int, why: str
) -> None:
    choice = choose_workers(parameters=parameters, trials=trials, machine=of)
    assert (choice.workers, choice.why) == (workers, why)


def test_the_machine_we_run_on() -> None:
    here = Machine.here()
    assert 1 <= here.cores <= len(usable_cores())
    assert 0 < here.free_memory <= psutil.virtual_memory().total
    assert choose_workers(parameters=1000).workers >= 1


def test_the_cores_are_those_this_process_may_use() -> None:
    assert set(usable_cores()) == os.sched_getaffinity(0)
    assert 1 <= core_budget() <= len(usable_cores())


def test_a_process_kept_to_one_core_has_one() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == (min(allowed),)
        assert Machine.here().cores == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("cores", "workers", "shares"),
    [
        ((0, 1), 1, [()]),
        ((0, 1), 2, [(0,), (1,)]),
        ((2, 3, 5, 7, 8), 2, [(2, 3, 5), (7, 8)]),
        ((0, 1, 2, 3, 4, 5, 6, 7), 5, [(0, 1), (2, 3), (4, 5), (6,), (7,)]),
        ((4,), 2, [(), ()]),
    ],
)
def test_workers_share_the_cores(
    cores: tuple[int, ...], workers: int, shares: list[tuple[int, ...]], tmp_path: Path
) -> None:
    assert core_shares(cores, workers, topology=tmp_path) == shares


def test_both_halves_of_a_core_go_to_one_worker(tmp_path: Path) -> None:
    for core in range(4):
        folder = tmp_path / f"cpu{core}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{core % 2},{core % 2 + 2}\n")
    assert physical_cores((0, 1, 2, 3), topology=tmp_path) == ((0, 2), (1, 3))
    assert physical_cores((0, 1, 2), topology=tmp_path) == ((0, 2), (1,))
    assert core_shares((0, 1, 2, 3), 2, topology=tmp_path) == [(0, 2), (1, 3)]
    assert core_shares((0, 1, 2, 3), 3, topology=tmp_path) == [(0, 2), (1,), (3,)]
    assert core_shares((0, 1, 2), 2, topology=tmp_path) == [(0, 2), (1,)]


def test_a_worker_has_a_thread_for_each_of_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: tuple(range(8)))
    monkeypatch.setattr(machine, "core_budget", lambda: 8)
    assert thread_count((0, 1), workers=5) == 2
    assert thread_count((6,), workers=5) == 1
    assert thread_count((), workers=1) == 8
    assert thread_count((), workers=9) == 1
    monkeypatch.setattr(machine, "core_budget", lambda: 4)  # a container's quota
    assert thread_count((0, 1, 2, 3), workers=2) == 2


def test_memory_is_shared_fairly() -> None:
    whole = fair_memory_share(1)
    assert 0 < whole <= 0.9 * psutil.virtual_memory().total
    assert fair_memory_share(3) == pytest.approx(whole / 3, abs=2)
