"""Whether the kernel killed a worker for want of memory, or somebody else did."""

from __future__ import annotations

from pathlib import Path

from finesweep.sweeps.cgroup import Cgroup, counters

VMSTAT = Path("/proc/vmstat")


class OomKills:
    """The kernel's count of processes that its OOM killer ended.

    The count of the process's own control group is preferred: that of the machine in ``vmstat``
    also rises when somebody else's process is killed.
    """

    def __init__(self, *, cgroup: Cgroup | None = None, vmstat: Path = VMSTAT) -> None:
        self._cgroup = cgroup or Cgroup()
        self._vmstat = vmstat
        self._explained = 0

    def count(self) -> int:
        """How many there were so far; always 0 where the system does not tell."""
        own = self._cgroup.oom_kills
        return counters(self._vmstat).get("oom_kill", 0) if own is None else own

    def explain(self, *, since: int) -> bool:
        """Whether the count rose above ``since``; each rise by one explains one death."""
        known = max(since, self._explained)
        if self.count() <= known:
            return False
        self._explained = known + 1
        return True
