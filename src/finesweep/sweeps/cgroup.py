"""What the control groups of this process allow: in a container that is less than the machine has.

Both versions are read, as `Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst` of the Linux
kernel describe them. What cannot be read counts as unlimited, on other systems everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


class Cgroup:
    """The control groups of a process: ``membership`` lists them, ``mount`` holds their files."""

    def __init__(self, *, mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> None:
        self._mount = mount
        # "4:memory:/path" for a controller of version 1, "0::/path" for all those of version 2.
        lines = [line.split(":", 2) for line in read(membership).splitlines()]
        self._paths = {
            controller: path
            for _, controllers, path in lines
            for controller in controllers.split(",")
        }

    @property
    def memory_limit(self) -> int | None:
        """Bytes of memory its processes may use together; None where there is no limit."""
        return min((limit for _, limit in self._memory_limits()), default=None)

    @property
    def memory_free(self) -> int | None:
        """Bytes left below the limit, file caches that can be dropped included; None: no limit."""
        left = [limit - self._memory_used(folder) for folder, limit in self._memory_limits()]
        return max(0, min(left)) if left else None

    @property
    def cpu_quota(self) -> float | None:
        """How many processors' worth of time its processes get; None where there is no limit."""
        quotas = []
        for folder in self._folders("cpu"):
            quota, period = self._cpu_bandwidth(folder)
            if quota > 0 and period > 0:
                quotas.append(quota / period)
        return min(quotas, default=None)

    @property
    def oom_kills(self) -> int | None:
        """How many of its processes the kernel has killed for want of memory, if it tells."""
        name = "memory.oom_control" if "memory" in self._paths else "memory.events"
        for folder in self._folders("memory"):
            return counters(folder / name).get("oom_kill")
        return None

    def _folders(self, controller: str) -> Iterator[Path]:
        """The folder of the process's own group and those above it; each of them can limit.

        A container may see the path that its group has outside, of which only the root is mounted.
        """
        is_first_version = controller in self._paths
        root = self._mount / controller if is_first_version else self._mount
        path = self._paths.get(controller, self._paths.get("", "/"))
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_dir():
                yield folder
            if folder == root:
                return

    def _memory_limits(self) -> Iterator[tuple[Path, int]]:
        name = "memory.limit_in_bytes" if "memory" in self._paths else "memory.max"
        for folder in self._folders("memory"):
            limit = read(folder / name).strip()
            if limit.isdigit():
                yield folder, int(limit)

    def _memory_used(self, folder: Path) -> int:
        first_version = "memory" in self._paths
        used = read(folder / ("memory.usage_in_bytes" if first_version else "memory.current"))
        cached = "total_inactive_file" if first_version else "inactive_file"
        return int(used or 0) - counters(folder / "memory.stat").get(cached, 0)

    def _cpu_bandwidth(self, folder: Path) -> tuple[int, int]:
        """Microseconds of a period; none or a negative number of them is no limit."""
        if "cpu" in self._paths:
            words = [read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        else:
            words = read(folder / "cpu.max").split()
        numbers = [int(word) if word.strip().isdigit() else 0 for word in words]
        return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)


def counters(file: Path) -> dict[str, int]:
    """A file of lines such as ``oom_kill 3``; empty if it cannot be read."""
    pairs = (line.split() for line in read(file).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def read(file: Path) -> str:
    """The text of a file of the kernel's; empty if there is none, or it may not be read."""
    try:
        return file.read_text()
    except OSError:
        return ""
