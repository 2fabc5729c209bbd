from __future__ import annotations

from pathlib import Path

import pytest

from finesweep.sweeps.cgroup import Cgroup

Files = dict[str, str]


def cgroup(folder: Path, membership: str, files: Files) -> Cgroup:
    (folder / "mount").mkdir()
    for name, text in files.items():
        file = folder / "mount" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    (folder / "membership").write_text(membership)
    return Cgroup(mount=folder / "mount", membership=folder / "membership")


SECOND: Files = {
    "job/memory.max": "4000",
    "job/memory.current": "1500",
    "job/memory.stat": "anon 1000\ninactive_file 500",
    "job/memory.events": "low 0\noom 2\noom_kill 1",
    "job/cpu.max": "max 100000",
    "job/step/memory.max": "max",
    "job/step/memory.current": "100",
    "job/step/memory.events": "low 0\noom 1\noom_kill 1",
    "job/step/cpu.max": "150000 100000",
}
FIRST: Files = {
    "memory/memory.limit_in_bytes": "9223372036854771712",
    "memory/memory.usage_in_bytes": "20000",
    "memory/job/memory.limit_in_bytes": "4000",
    "memory/job/memory.usage_in_bytes": "1500",
    "memory/job/memory.stat": "inactive_file 1\ntotal_inactive_file 500",
    "memory/job/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1",
    "cpu/job/cpu.cfs_quota_us": "150000",
    "cpu/job/cpu.cfs_period_us": "100000",
    "cpu/cpu.cfs_quota_us": "-1",
    "cpu/cpu.cfs_period_us": "100000",
}
FIRST_MEMBERSHIP = "9:name=systemd:/\n4:memory:/job\n2:cpu,cpuacct:/job\n0::/\n"


@pytest.mark.parametrize(
    ("membership", "files"), [("0::/job/step\n", SECOND), (FIRST_MEMBERSHIP, FIRST)]
)
def test_the_tightest_limit_counts(membership: str, files: Files, tmp_path: Path) -> None:
    own = cgroup(tmp_path, membership, files)
    assert own.memory_limit == 4000
    assert own.memory_free == 3000  # what files take in memory can be dropped
    assert own.cpu_quota == 1.5
    assert own.oom_kills == 1


def test_a_container_that_sees_its_path_outside(tmp_path: Path) -> None:
    own = cgroup(tmp_path, "4:memory:/docker/abc\n", {"memory/memory.limit_in_bytes": "4000"})
    assert own.memory_limit == 4000


@pytest.mark.parametrize("membership", ["", "0::/\n", "0::/user.slice\n"])
def test_no_limits(membership: str, tmp_path: Path) -> None:
    own = cgroup(tmp_path, membership, {"user.slice/memory.max": "max"})
    found = (own.memory_limit, own.memory_free, own.cpu_quota, own.oom_kills)
    assert found == (None, None, None, None)


def test_a_system_without_control_groups(tmp_path: Path) -> None:
    own = Cgroup(mount=tmp_path / "nowhere", membership=tmp_path / "nothing")
    assert (own.memory_limit, own.cpu_quota, own.oom_kills) == (None, None, None)


def test_what_this_machine_says_can_be_read() -> None:
    own = Cgroup()
    assert own.memory_limit is None or own.memory_limit > 0
    assert own.cpu_quota is None or own.cpu_quota > 0
