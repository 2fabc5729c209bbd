"""finesweep as a contestant, driven as a user drives it: a file, and the installed command."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compare.outcome import ContestError, Measured
from benchmarks.compare.process import ROOT, Finished, run_together
from benchmarks.compare.rates import LoggedTick, training_rate
from benchmarks.compare.work import LABEL, TEXT, Work

# Enough that the workers are busy together for most of the time.
TRIALS_A_WORKER = 3

_FINESWEEP = (sys.executable, "-c", "from finesweep.cli.main import main; main()")
_NAME = "benchmark"


def run_workers(work: Work, folder: Path) -> Measured:
    """A sweep of equal trials, some for each worker: how fast the workers train together."""
    trials = TRIALS_A_WORKER * work.workers
    result = _sweep(work, folder, learning_rates=(work.learning_rate,) * trials)
    ticks = [logged_ticks(folder, run_id, work) for run_id in result.run_ids]
    return result.measured(work, training_rate=training_rate(ticks, workers=work.workers))


def run_sweep(work: Work, folder: Path) -> Measured:
    """The sweep that the searches among the peers run: the same trials, each to its end."""
    return _sweep(work, folder, learning_rates=work.sweep_rates).measured(work, training_rate=None)


def run_train(work: Work, folder: Path) -> Measured:
    """A single ``finesweep train``, which has the whole machine."""
    file = _written(folder, "experiment.json", _experiment(work))
    finished = _finesweep(["train", str(file), "--json"], folder)
    result = json.loads(finished.outputs[0])
    ticks = logged_ticks(folder, result["run_id"], work)
    return Measured(
        examples=work.rows * work.epochs,
        seconds=finished.seconds,
        training_rate=training_rate([ticks], workers=1),
        validation_accuracy=result["metrics"]["val/accuracy"],
    )


@dataclass(frozen=True, kw_only=True)
class _Swept:
    """A sweep all of whose trials were completed; ``run_ids`` in the order of the trials."""

    run_ids: tuple[str, ...]
    seconds: float
    best_accuracy: float

    def measured(self, work: Work, *, training_rate: float | None) -> Measured:
        return Measured(
            examples=len(self.run_ids) * work.rows * work.epochs,
            seconds=self.seconds,
            training_rate=training_rate,
            validation_accuracy=self.best_accuracy,
        )


def _sweep(work: Work, folder: Path, *, learning_rates: tuple[float, ...]) -> _Swept:
    file = _written(folder, "sweep.json", _sweep_file(work, learning_rates))
    command = ["run", str(file), "--workers", str(work.workers), "--json"]
    finished = _finesweep(command, folder)
    trials = json.loads(finished.outputs[0])["trials"]
    for trial in trials:
        if trial["state"] != "completed":
            raise ContestError(f"trial {trial['number']} {trial['state']}: {trial['reason']}")
    return _Swept(
        run_ids=tuple(trial["run_id"] for trial in trials),
        seconds=finished.seconds,
        best_accuracy=max(trial["metrics"]["val/accuracy"] for trial in trials),
    )


def _sweep_file(work: Work, learning_rates: tuple[float, ...]) -> dict[str, Any]:
    return {
        "name": _NAME,
        "trials": len(learning_rates),
        "space": {"learning_rate": {"choices": sorted(set(learning_rates))}},
        "enqueue": [{"learning_rate": rate} for rate in learning_rates],
        "sampler": {"name": "random", "seed": 0},
        "pruner": {"name": "none"},
        "experiment": _experiment(work),
    }


def _experiment(work: Work) -> dict[str, Any]:
    return {
        "name": _NAME,
        "data": {
            "path": str(work.data),
            "text": TEXT,
            "label": LABEL,
            "split": {
                "by": "position",
                "train": work.rows,
                "validation": work.validation_rows,
            },
        },
        "model": {"checkpoint": str(work.checkpoint)},
        "learning_rate": work.learning_rate,
        "schedule": "constant",  # the article's, and KerasHub's; the Trainer is told
        "batch_size": work.batch_size,
        "epochs": work.epochs,
        "max_length": work.max_length,
    }


def _written(folder: Path, name: str, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return file


def _finesweep(arguments: list[str], folder: Path) -> Finished:
    # A cache of its own: each round prepares the data anew, as a peer does.
    variables = {"PYTHONPATH": str(ROOT / "src"), "FINESWEEP_CACHE": str(folder / "cache")}
    return run_together([[*_FINESWEEP, *arguments]], folder=folder, variables=variables)


def logged_ticks(folder: Path, run_id: str, work: Work) -> list[LoggedTick]:
    """The ticks of a run, in order, from the store that finesweep made in ``folder``."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    speeds = client.get_metric_history(run_id, "examples_per_second")
    epochs = {point.step: point.value for point in client.get_metric_history(run_id, "epoch")}
    ticks, before = [], 0.0
    for point in sorted(speeds, key=lambda point: int(point.step)):
        epoch = epochs[point.step]
        ticks.append(
            LoggedTick(
                moment=point.timestamp / 1000.0,
                examples=(epoch - before) * work.rows,
                rate=point.value,
            )
        )
        before = epoch
    return ticks
