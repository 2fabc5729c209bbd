"""Where the killer works: a folder with a small sweep in it, and the command that runs there."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import psutil

WORDS = {
    "good": ("good", "great", "win", "sun", "warm", "city", "day"),
    "bad": ("bad", "storm", "rain", "snow", "fire", "city", "day"),
}
ROWS = 240

EXPERIMENT = """\
name: chaos
data: {path: rows.csv, split: {by: fraction, validation: 0.2, test: 0.1}}
model: {checkpoint: ./checkpoint, precision: float32}
learning_rate: 0.01
batch_size: 8
max_length: 16
"""

SWEEP = """\
experiment: experiment.yaml
name: chaos
trials: 16
space:
  learning_rate: {low: 1.0e-4, high: 0.1, log: true}
  batch_size: {choices: [4, 8]}
  epochs: {low: 2, high: 6}
sampler: {name: tpe, seed: 7}
pruner: {name: percentile, percentile: 60, warmup_epochs: 1, n_startup_trials: 2}
keep_checkpoints: 2
disk_limit: 5MB
register: {name: chaos, stage: Staging}
"""


@dataclass
class Scene:
    """One folder, many sweeps: each is the same file under another name."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def set_up(cls, folder: Path, checkpoint: Path) -> Scene:
        """Write the data, a copy of the tiny checkpoint and the two files."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(checkpoint, folder / "checkpoint")
        chance = random.Random(7)
        lines = ["text,label"]
        for number in range(ROWS):
            label = ("good", "bad")[number % 2]
            words = chance.choices(WORDS[label], k=chance.randint(3, 8))
            lines.append(f"{' '.join(words)} {number},{label}")
        (folder / "rows.csv").write_text("\n".join(lines) + "\n")
        (folder / "experiment.yaml").write_text(EXPERIMENT)
        (folder / "sweep.yaml").write_text(SWEEP)
        return cls(folder)

    def start(
        self,
        name: str,
        *settings: str,
        workers: int = 2,
        log: Path | None = None,
        **variables: str,
    ) -> subprocess.Popen[bytes]:
        """Start the command that runs, or goes on with, the sweep called ``name``.

        ``settings`` are put in place of what the sweep file says; ``variables`` are of the
        environment. What it says is added to ``log``, by default the sweep's own.
        """
        script = Path(sys.executable).with_name("finesweep")
        called = [str(script)] if script.exists() else [sys.executable, "-c", _MAIN]
        arguments = ["run", "sweep.yaml", "--new", name, "--workers", str(workers)]
        arguments += [part for setting in settings for part in ("--set", setting)]
        with (log or self.log(name)).open("ab") as output:
            return subprocess.Popen(
                [*called, *arguments],
                cwd=self.folder,
                env=self._environment() | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def log(self, name: str) -> Path:
        """What all commands that ran the sweep called ``name`` have said."""
        return self.folder / f"{name}.log"

    def processes(self) -> list[psutil.Process]:
        """Every process that was started here and still runs, workers included."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("FINESWEEP_CHAOS") == self.mark:
                    found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        """The worker processes among them."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if "finesweep.sweeps.worker" in process.cmdline():
                    found.append(process)
        return found

    def orphans(self, *, grace: float = 5.0) -> list[psutil.Process]:
        """What runs though no command should, after ``grace`` seconds to end; it is killed."""
        deadline = time.monotonic() + grace
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return left

    def _environment(self) -> dict[str, str]:
        unset = ("MLFLOW_TRACKING_URI", "FINESWEEP_STUDY", "FINESWEEP_CACHE")
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        return {**environment, "FINESWEEP_CHAOS": self.mark, "OMP_NUM_THREADS": "1"}


_MAIN = "from finesweep.cli.main import main; main()"
