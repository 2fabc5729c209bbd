"""A sweep laid out as the command line lays it out, for the doctor to look at."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sweep_bench import Bench

from finesweep import registry
from finesweep.sweeps.doctor import Finding, Kind, Place, examine
from finesweep.tracking import TrackingStore

# Other tests have processes too.
OF_THE_MACHINE = ("environment", "disk", "workers")


@dataclass
class DoctorBench(Bench):
    """Study, work folders and tracking store are in ``mlruns`` of the bench's folder."""

    @property
    def root(self) -> Path:
        return self.folder / "mlruns"

    @property
    def study_url(self) -> str:
        return f"sqlite:///{self.root}/optuna.db"

    @property
    def workdir(self) -> Path:
        return self.root / "work" / self.name

    @property
    def place(self) -> Place:
        return Place(
            root=self.root,
            study_url=self.study_url,
            work=self.root / "work",
            cache=self.folder / "cache",
        )

    def wrong(self, kind: Kind | None = None, *, repair: bool = False) -> list[Finding]:
        """What is not well with what lies in the bench's folder, or of a kind."""
        return [
            finding
            for finding in examine(self.place, repair=repair)
            if finding.level != "ok"
            and not finding.repaired
            and (finding.kind == kind if kind else finding.kind not in OF_THE_MACHINE)
        ]

    def start_elsewhere(self, code: str) -> subprocess.Popen[str]:
        """Run ``code`` in a process of its own, with this bench as ``bench``."""
        preface = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "import doctor_bench\n"
            "bench = doctor_bench.opened(Path(sys.argv[1]), sys.argv[2])\n"
        )
        return subprocess.Popen(
            [sys.executable, "-c", preface + code, str(self.folder), self.name],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def opened(folder: Path, name: str) -> DoctorBench:
    """The bench of a folder, in a process that packages trials in a millisecond."""
    registry.package = package
    return DoctorBench(folder=folder, store=TrackingStore.open(root=folder / "mlruns"), name=name)


def package(checkpoint: Path, into: Path, *, max_length: int) -> Path:
    (into / "artifacts").mkdir(parents=True)
    (into / "MLmodel").write_text(f"max_length: {max_length}\n")
    checkpoint.rename(into / "artifacts" / "checkpoint")
    return into
