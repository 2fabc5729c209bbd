from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sweep_bench import SCRIPTED

from finesweep.sweeps.cgroup import Cgroup
from finesweep.sweeps.engines._base import Assignment, Died, Event, Ticked
from finesweep.sweeps.engines._oom import OomKills
from finesweep.sweeps.engines._slot import Place, Slot
from finesweep.sweeps.worker import Opening
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import TrainingSetup


class Kernel:
    """The files in which a kernel counts the processes that it killed."""

    def __init__(self, folder: Path, *, has_cgroup: bool) -> None:
        self.vmstat = folder / "vmstat"
        self.events = folder / "mount" / "job" / "memory.events"
        self.membership = folder / "cgroup"
        self.membership.write_text("0::/job\n")
        self.events.parent.mkdir(parents=True)
        self.has_cgroup = has_cgroup
        self.killed(0, elsewhere=0)

    def killed(self, own: int, *, elsewhere: int) -> None:
        self.vmstat.write_text(f"nr_free_pages 12\noom_kill {own + elsewhere}\n")
        if self.has_cgroup:
            self.events.write_text(f"low 0\noom 9\noom_kill {own}\n")

    @property
    def oom_kills(self) -> OomKills:
        cgroup = Cgroup(mount=self.events.parents[1], membership=self.membership)
        return OomKills(cgroup=cgroup, vmstat=self.vmstat)


def test_the_count_of_the_own_group_comes_first(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, has_cgroup=True)
    kernel.killed(2, elsewhere=5)
    assert kernel.oom_kills.count() == 2


def test_the_count_of_the_machine_serves_too(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, has_cgroup=False)
    kernel.killed(2, elsewhere=5)
    assert kernel.oom_kills.count() == 7
    kernel.vmstat.unlink()
    assert kernel.oom_kills.count() == 0


def test_each_kill_explains_one_death(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, has_cgroup=True)
    oom_kills = kernel.oom_kills
    before = oom_kills.count()
    assert not oom_kills.explain(since=before)
    kernel.killed(1, elsewhere=0)
    assert oom_kills.explain(since=before)
    assert not oom_kills.explain(since=before)
    kernel.killed(3, elsewhere=0)
    assert oom_kills.explain(since=before)
    assert oom_kills.explain(since=before)
    assert not oom_kills.explain(since=before)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path, has_cgroup=True)


@pytest.fixture
def slot(tmp_path: Path, kernel: Kernel) -> Iterator[Slot]:
    (tmp_path / "script.json").write_text(json.dumps({"default": "hang"}))
    setup = TrainingSetup(checkpoint=tmp_path, prepared=tmp_path, label_names=("a", "b"))
    place = Place(
        number=0,
        opening=Opening(trainer=SCRIPTED, setup=setup),
        log=tmp_path / "worker-0.log",
        gpu=None,
        environment={"OMP_NUM_THREADS": "1"},
        memory_limit=2**40,
    )
    made = Slot(place, oom_kills=kernel.oom_kills)
    yield made
    made.hang_up()
    made.clear(grace=0.0)


@pytest.mark.parametrize(("kills", "cause"), [(1, "out_of_memory"), (0, "preempted")])
def test_a_worker_that_the_kernel_killed_ran_out_of_memory(
    kills: int, cause: str, slot: Slot, kernel: Kernel, tmp_path: Path
) -> None:
    kernel.killed(4, elsewhere=0)
    slot.start()
    point = Hyperparameters(learning_rate=5e-5, batch_size=16, epochs=1, max_length=32)
    folder = tmp_path / "trial-000"
    slot.assign(
        Assignment(
            trial=0, hyperparameters=point, output=folder / "c", resume_point=folder / "resume"
        )
    )
    while not isinstance(heard(slot), Ticked):
        pass
    kernel.killed(4 + kills, elsewhere=7)
    assert slot.worker is not None
    psutil.Process(slot.worker.pid).kill()
    died = heard(slot)
    assert isinstance(died, Died)
    assert died.cause == cause
    assert ("killed by SIGKILL for want of memory" in died.detail) == (kills > 0)


def heard(slot: Slot) -> Event | None:
    assert slot.worker is not None
    assert slot.worker.pipe.poll(20)
    return slot.hear()
