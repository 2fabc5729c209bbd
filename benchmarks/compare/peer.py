"""Running a peer: its script, in its own environment, on the work that all are given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.compare.environments import python_of
from benchmarks.compare.outcome import ContestError, Measured
from benchmarks.compare.process import last_line, run_together
from benchmarks.compare.work import Work
from finesweep.sweeps.machine import core_shares, usable_cores


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A script of ``benchmarks.peers``, and how it is called.

    With ``side_by_side`` above 1 so many processes do the same work at once, each pinned to cores
    of its own, with one thread.
    """

    module: str
    environment: str
    precision: str = "float32"
    search: bool = False
    side_by_side: int = 1

    def run(self, work: Work, folder: Path, *, environments: Path, gpu: bool) -> Measured:
        """One run. Raises ``ContestError``."""
        python = python_of(self.environment, environments, gpu=gpu)
        finished = run_together(
            [[str(python), *self._arguments(work), *cores] for cores in self._cores()],
            folder=folder,
        )
        reports = [_report(output) for output in finished.outputs]
        return Measured(
            examples=sum(report["examples"] for report in reports),
            seconds=finished.seconds,
            training_rate=(
                None
                if self.search
                else sum(report["examples"] / report["training_seconds"] for report in reports)
            ),
            validation_accuracy=mean(report["validation_accuracy"] for report in reports),
        )

    def _arguments(self, work: Work) -> list[str]:
        rates = work.sweep_rates if self.search else (work.learning_rate,)
        options = {
            "--checkpoint": work.checkpoint,
            "--data": work.data,
            "--rows": work.rows,
            "--validation-rows": work.validation_rows,
            "--max-length": work.max_length,
            "--batch-size": work.batch_size,
            "--epochs": work.epochs,
            "--precision": self.precision,
        }
        given = [str(part) for option in options.items() for part in option]
        return [
            "-m",
            f"benchmarks.peers.{self.module}",
            *given,
            "--learning-rates",
            *map(str, rates),
        ]

    def _cores(self) -> list[list[str]]:
        """For each process the option that pins it, to the cores a worker of ours would have."""
        if self.side_by_side == 1:
            return [[]]
        shares = core_shares(usable_cores(), self.side_by_side)
        return [["--cores", *map(str, share)] for share in shares]


def _report(output: str) -> dict[str, Any]:
    """The one line of JSON a peer ends with; a framework may have said something before it."""
    line = last_line(output)
    try:
        report: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise ContestError(f"expected a line of JSON, received: {line}") from error
    return report
