"""Kills the processes of a sweep, at random moments, until it has done so often enough."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil
from audit import Audit, audit
from scene import Scene

KINDS = (
    "worker SIGKILL",
    "worker SIGTERM",
    "coordinator SIGKILL",
    "both SIGKILL",
    "coordinator SIGTERM",
    "Ctrl-C",
    "Ctrl-C twice",
)
TOTAL = 16
KEEP = 2
DISK_LIMIT = 5_000_000
# Long enough for a sweep to end whatever happened to it, on a slow machine.
PATIENCE_SECONDS = 300.0
# Kills come up to so long after the command began or, mostly, after its first worker did: trials
# of this model take a second or two.
LONGEST_WAIT_SECONDS = 9.0
SHARE_AFTER_A_WORKER_BEGAN = 0.8
MOST_KILLS_A_SWEEP = 10


@dataclass
class Report:
    """What the killer did, and what came of it."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    sweeps: int = 0
    orphans: int = 0
    audit: Audit = field(default_factory=Audit)
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, left behind or beyond the limit."""
        return self.audit.is_clean and not self.orphans

    def lines(self) -> Iterator[str]:
        """The report as a table in Markdown."""
        minutes = round(self.seconds / 60)
        yield f"{self.kills.total()} kills, {self.sweeps} sweeps, {minutes} min, seed {self.seed}"
        yield ""
        yield "| | count |"
        yield "| --- | ---: |"
        for kind in KINDS:
            yield f"| {kind} | {self.kills[kind]} |"
        for name, count in (
            ("trials", self.audit.trials),
            ("trials lost", self.audit.lost),
            ("trials counted twice", self.audit.double),
            ("trials failed", self.audit.failed),
            ("runs not matching their trial", self.audit.mismatched),
            ("epochs repeated in a curve", self.audit.repeated),
            ("ticks missing in a curve", self.audit.missing),
            ("processes left behind", self.orphans),
            ("disk over the limit", self.audit.over_limit),
        ):
            yield f"| {name} | {count} |"


def rampage(scene: Scene, *, cycles: int, seed: int, tell: Callable[[str], None] = print) -> Report:
    """Kill ``cycles`` times, then let the last sweep come to its end, and audit every sweep."""
    chance = random.Random(seed)
    report = Report(seed=seed)
    started = time.monotonic()
    while report.kills.total() < cycles:
        name = f"chaos-{report.sweeps}"
        left = min(MOST_KILLS_A_SWEEP, cycles - report.kills.total())
        _one_sweep(scene, name, kills=left, chance=chance, report=report, tell=tell)
        report.sweeps += 1
        found = audit(scene.folder, name, total=TOTAL, keep=KEEP, disk_limit=DISK_LIMIT)
        report.audit += found
        report.seconds = time.monotonic() - started
        tell(f"{name}: {report.kills.total()} kills so far, {found}")
    return report


def _one_sweep(
    scene: Scene,
    name: str,
    *,
    kills: int,
    chance: random.Random,
    report: Report,
    tell: Callable[[str], None],
) -> None:
    process = scene.start(name)
    while kills and not _ends_before_the_moment(scene, process, chance=chance):
        kind = chance.choice(KINDS)
        if not _kill(scene, process, kind, chance=chance):
            continue
        report.kills[kind] += 1
        kills -= 1
        tell(f"{name}: {kind}")
        if not kind.startswith("worker"):
            process = _again(scene, process, name, report=report)
    while True:
        process.wait(PATIENCE_SECONDS)
        report.orphans += len(scene.orphans())
        if process.returncode == 0:
            return
        if process.returncode not in (130, -signal.SIGKILL):
            log = (scene.folder / f"{name}.log").read_text()
            raise AssertionError(f"{name} ended with {process.returncode}:\n{log[-4000:]}")
        process = scene.start(name)


def _again(
    scene: Scene, process: subprocess.Popen[bytes], name: str, *, report: Report
) -> subprocess.Popen[bytes]:
    """The command once more, after the killed one has ended and left nothing behind."""
    process.wait(PATIENCE_SECONDS)
    report.orphans += len(scene.orphans())
    return scene.start(name)


def _kill(
    scene: Scene, process: subprocess.Popen[bytes], kind: str, *, chance: random.Random
) -> bool:
    """Do it; False if there was nobody to kill."""
    workers = scene.workers()
    if kind in ("worker SIGKILL", "worker SIGTERM", "both SIGKILL") and not workers:
        return False
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        match kind:
            case "worker SIGKILL":
                chance.choice(workers).send_signal(signal.SIGKILL)
            case "worker SIGTERM":
                chance.choice(workers).send_signal(signal.SIGTERM)
            case "coordinator SIGKILL":
                process.kill()
            case "both SIGKILL":
                process.kill()
                for worker in workers:
                    worker.kill()
            case "coordinator SIGTERM":
                process.send_signal(signal.SIGTERM)
            case "Ctrl-C":
                process.send_signal(signal.SIGINT)
            case "Ctrl-C twice":
                process.send_signal(signal.SIGINT)
                time.sleep(chance.uniform(0.0, 1.0))
                process.send_signal(signal.SIGINT)
    return True


def _ends_before_the_moment(
    scene: Scene, process: subprocess.Popen[bytes], *, chance: random.Random
) -> bool:
    """Let the command come to a random moment; whether it ended before."""
    if chance.random() < SHARE_AFTER_A_WORKER_BEGAN:
        while not scene.workers():
            if _ends_within(process, 0.1):
                return True
    return _ends_within(process, chance.uniform(0.1, LONGEST_WAIT_SECONDS))


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
