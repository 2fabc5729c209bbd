"""Fills the disk of a sweep at random moments, and frees it again, until the sweep has ended.

Run as a script it does so in the folder given, of which it makes ``mlruns`` a small disk of its own
first: for that it needs a name space in which it may mount one. It prints what it did; the exit
code is 77 where it may not mount.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from audit import Audit, audit
from command import Command
from scene import Scene

NAME = "full"
TOTAL = 6
KEEP = 2
DISK_LIMIT = 5_000_000
SETTINGS = (f"trials={TOTAL}", "space.epochs={low: 4, high: 6}")

DISK_SIZE = "8m"
MAY_NOT_MOUNT = 77
PAGE = 4096
# How many bytes stay free: with the most, it is the small files that still find room.
LEFT_FREE = (0, 0, PAGE, 16 * PAGE, 64 * PAGE)
MOST_TICKS = 30


def fill_again_and_again(scene: Scene, *, fills: int, seed: int) -> Audit:
    """Fill the disk so often, free it each time, let the sweep come to its end, and audit it."""
    chance = random.Random(seed)
    _refused_before_anything_is_written(scene)
    for _ in range(fills):
        if _filled_once(scene, chance=chance) == 0:
            break
    command = Command.start(scene, NAME, *SETTINGS)
    assert command.end() == 0, command.said
    assert scene.orphans() == []
    return audit(scene.folder, NAME, total=TOTAL, keep=KEEP, disk_limit=DISK_LIMIT)


def _refused_before_anything_is_written(scene: Scene) -> None:
    disk = scene.folder / "mlruns"
    fill(disk, leave=64 * PAGE)
    command = Command.start(scene, NAME, *SETTINGS)
    assert command.end() == 2, command.said
    assert command.last_line.startswith("error: the sweep needs about"), command.said
    assert [file.name for file in disk.iterdir()] == ["ballast"]
    (disk / "ballast").unlink()


def _filled_once(scene: Scene, *, chance: random.Random) -> int:
    """Run the command on a disk that becomes full; its exit code."""
    disk = scene.folder / "mlruns"
    command = Command.start(scene, NAME, *SETTINGS)
    # After the first tick, that is: a sweep that finds a full disk when it starts is refused.
    ticks, left = 1 + chance.randrange(MOST_TICKS), chance.choice(LEFT_FREE)
    command.wait_for(" tick ", times=ticks)
    fill(disk, leave=left)
    code = command.end()
    sys.stdout.write(f"full after {ticks} ticks but for {left} bytes: {command.last_line}\n")
    sys.stdout.flush()
    if code:
        _says_so(command)
        fill(disk, leave=0)
        again = Command.start(scene, NAME, *SETTINGS)
        again.end()
        _says_so(again)
    assert scene.orphans() == []
    (disk / "ballast").unlink()
    return code


def _says_so(command: Command) -> None:
    assert command.process.returncode == 1, command.said
    assert "no space is left" in command.last_line, command.said
    assert "the same command" in command.last_line, command.said
    assert command.said.count("error: ") == 1, command.said
    assert "Traceback" not in command.said, command.said


def fill(disk: Path, *, leave: int) -> None:
    """Write a file that takes up all that is free, but for ``leave`` bytes."""
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        with contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(PAGE))
        ballast.truncate(max(0, ballast.tell() - leave))


def main(folder: Path, checkpoint: Path, fills: int, seed: int) -> int:
    """Make the scene and its disk, and do it; 0 if nothing was lost."""
    scene = Scene.set_up(folder, checkpoint)
    if not mounted(scene.folder / "mlruns", size=DISK_SIZE):
        return MAY_NOT_MOUNT
    found = fill_again_and_again(scene, fills=fills, seed=seed)
    sys.stdout.write(f"{found}\n")
    return 0 if found.is_clean else 1


def mounted(disk: Path, *, size: str) -> bool:
    """Make ``disk`` a file system of its own in memory; whether that is allowed."""
    mount = shutil.which("mount")
    disk.mkdir()
    return mount is not None and not subprocess.call(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
