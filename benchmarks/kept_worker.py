"""What lies between two trials of a kept worker, and what it holds in memory after each.

    python benchmarks/kept_worker.py [--trials 30] [--rows 400] [--alike] [--checkpoint DIR]

A real sweep over the bundled headlines with the packaged checkpoint (or another) and one worker,
whose trials differ in batch size, length and learning rate; with ``--alike`` in the learning rate
alone. Times are of the worker's own clock:

* evaluate: from the end of the last step to its tick, the measuring of the validation split;
* tell: until the coordinator's answer;
* save: until the finished model is on disk;
* turn: until the next trial arrives: packaging, the end of the one and the beginning of the other;
* reset: until the first step of the next trial begins, its first batch included;
* first step: how much longer the first step takes than the trial's median.

"whole" is from the end of the last step to the beginning of the next trial's first; "between" is
without the evaluation, which belongs to the trial that ends.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

LOG = "FINESWEEP_KEPT_WORKER_LOG"
TRAINER = "kept_worker:TimedFineTuner"
PARTS = ("evaluate", "tell", "save", "turn", "reset")

if "finesweep.sweeps.worker" in sys.argv[0] or os.environ.get(LOG):
    # Only in the worker: the coordinator never loads TensorFlow.
    import psutil

    from finesweep.training.fine_tuner import FineTuner

    class _TimedStep:
        """Passes every step on, and remembers when it began and ended."""

        def __init__(self, step: Any) -> None:
            self._step = step
            self.times: list[tuple[float, float]] = []

        def __getattr__(self, name: str) -> Any:
            return getattr(self._step, name)

        def __call__(self, *batch: Any) -> Any:
            began = time.monotonic()
            loss = float(self._step(*batch))
            self.times.append((began, time.monotonic()))
            return loss

    class TimedFineTuner(FineTuner):
        """Writes a line a trial into the file that the environment names."""

        def fine_tune(self, hyperparameters: Any, *, on_tick: Any, **others: Any) -> Any:
            arrived, ticked = time.monotonic(), []
            self._timed = None

            def timed_tick(tick: Any) -> Any:
                ticked.append(time.monotonic())
                answer = on_tick(tick)
                ticked.append(time.monotonic())
                return answer

            result = super().fine_tune(hyperparameters, on_tick=timed_tick, **others)
            line = {
                "arrived": arrived,
                "steps": self._timed.times if self._timed else [],
                "ticked": ticked[-2],
                "answered": ticked[-1],
                "saved": time.monotonic(),
                "resident": psutil.Process().memory_info().rss / 2**20,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
            }
            with Path(os.environ[LOG]).open("a") as log:
                log.write(json.dumps(line) + "\n")
            return result

        def _step(self, accumulation: int) -> Any:
            self._timed = _TimedStep(super()._step(accumulation))
            return self._timed


def run(folder: Path, swept: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the sweep ``swept``; the lines the worker wrote."""
    from finesweep.cli.preparing import make_ready
    from finesweep.config import load_sweep
    from finesweep.sweeps import run_sweep
    from finesweep.sweeps.engines.local import LocalEngine
    from finesweep.sweeps.observer import NullObserver
    from finesweep.tracking import TrackingStore

    log = folder / "log.jsonl"
    file = folder / "sweep.yaml"
    file.write_text(json.dumps(swept))
    config = load_sweep(file, [])
    ready = make_ready(config.experiment, longest=config.longest_max_length)
    engine = LocalEngine(ready.setup, trainer=TRAINER, logs=folder / "logs")
    # After this process has imported what it needs; the worker starts with the sweep.
    os.environ[LOG] = str(log)
    run_sweep(
        config,
        setup=ready.setup,
        data=replace(ready.data, n_test=0),
        store=TrackingStore.open(root=folder / "mlruns"),
        study_url=f"sqlite:///{folder}/optuna.db",
        engine=engine,
        observer=NullObserver(),
        workdir=folder / "work",
    )
    return [json.loads(line) for line in log.read_text().splitlines()]


def sweep(
    *, trials: int, rows: int, validation: int, alike: bool, checkpoint: str
) -> dict[str, Any]:
    shapes = {"batch_size": {"choices": [8, 16, 32]}, "max_length": {"choices": [16, 24, 32]}}
    return {
        "name": "kept-worker",
        "trials": trials,
        "space": {
            "learning_rate": {"low": 1e-5, "high": 1e-4, "log": True},
            **({} if alike else shapes),
        },
        "sampler": {"name": "random", "seed": 7},
        "pruner": {"name": "none"},
        "experiment": {
            "name": "kept-worker",
            "data": {
                "path": "packaged:headlines",
                "text": "headline",
                "label": "is_sarcastic",
                "split": {"by": "position", "train": rows, "validation": validation},
            },
            "model": {"checkpoint": checkpoint},
            "epochs": 1,
        },
    }


def parts_between(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Seconds by part, from the last step of one trial to the first of the other."""
    last_step, first_step = one["steps"][-1][1], other["steps"][0][0]
    moments = [
        last_step,
        one["ticked"],
        one["answered"],
        one["saved"],
        other["arrived"],
        first_step,
    ]
    lasted = [end - begin for begin, end in itertools.pairwise(moments)]
    steps = [end - begin for begin, end in other["steps"]]
    return {
        **dict(zip(PARTS, lasted, strict=True)),
        "whole": first_step - last_step,
        "between": first_step - one["ticked"],
        "between, saved": first_step - one["saved"],
        "first step": steps[0] - median(steps),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--validation", type=int, default=200)
    parser.add_argument("--alike", action="store_true", help="all trials of one batch shape")
    parser.add_argument("--checkpoint", default="packaged:minilm-l6-h384")
    options = parser.parse_args()
    swept = sweep(
        trials=options.trials,
        rows=options.rows,
        validation=options.validation,
        alike=options.alike,
        checkpoint=options.checkpoint,
    )
    with tempfile.TemporaryDirectory(prefix="kept-worker-") as folder:
        lines = run(Path(folder), swept)
    gaps = [parts_between(one, other) for one, other in itertools.pairwise(lines)]
    print(f"\n{len(lines)} trials, seconds from trial to trial")
    print(f"{'part':>16} {'median':>8} {'largest':>8}")
    medians = {}
    for part in gaps[0]:
        values = [gap[part] for gap in gaps]
        medians[part] = median(values)
        print(f"{part:>16} {medians[part]:8.3f} {max(values):8.3f}")
    resident = [line["resident"] for line in lines]
    print("resident set in MiB after each trial: " + ", ".join(f"{mib:.0f}" for mib in resident))
    growth = resident[-1] / resident[min(4, len(resident) - 1)] - 1
    print(f"growth from the 5th to the last: {growth:+.1%}")
    print(json.dumps({"seconds": medians, "resident_mib": resident, "growth": growth}))


if __name__ == "__main__":
    main()
