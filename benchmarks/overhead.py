"""What a trial costs when its training costs nothing: ask, run, ticks, tell and MLflow.

    python benchmarks/overhead.py [--trials 1000] [--sampler random|tpe]

A real sweep with a worker process, a study and an MLflow store in SQLite, and a trainer that does
nothing (``no_training``): four ticks a trial, all of them judged by a percentile pruner. Prints the
milliseconds a trial by hundreds, so that growth shows, and where the coordinator spends them in the
first and in the last hundred; what is not listed is the rest, above all waiting for the delivery's
thread to let go of the interpreter. ``sample`` is Optuna's own: TPE looks at all trials there are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from no_training import PATH
from stopwatch import Stopwatch

from finesweep.config import SweepConfig
from finesweep.data import DatasetIdentity, PreparedData
from finesweep.sweeps import TrialSummary, run_sweep
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.sweeps.observer import NullObserver
from finesweep.tracking import TrackingStore
from finesweep.training.progress import TrainingSetup

WINDOW = 100
LABELS = ("plain", "satire")


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """One sweep: milliseconds a trial, the median of each window, and the mean of it all.

    ``windows`` are medians by hundreds of trials; ``parts`` are medians of the first and the last
    window. ``drained`` is the mean with what waited for MLflow after the last trial counted in.
    ``cpu`` is the processor time of the whole process a trial, packaged models included.
    """

    sampler: str
    trials: int
    windows: list[float]
    mean: float
    drained: float
    cpu: float
    cpu_coordinator: float
    parts: dict[str, tuple[float, float]]


class Clock(NullObserver):
    """Notes when each trial ended, and what the parts had taken by then."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self.stopwatch = stopwatch
        self.moments: list[float] = []
        self.parts: list[dict[str, float]] = []

    def trial_ended(self, summary: TrialSummary) -> None:
        self.moments.append(time.perf_counter())
        self.parts.append(dict(self.stopwatch.seconds))


def watch_parts() -> Stopwatch:
    """Time the parts of the coordinator's thread."""
    import optuna

    from finesweep import registry
    from finesweep.sweeps import ending, progress, starting
    from finesweep.sweeps.lock import Hold
    from finesweep.sweeps.news import StoreNews
    from finesweep.sweeps.retention import Retention
    from finesweep.tracking import Outbox, SweepRun

    stopwatch = Stopwatch()
    stopwatch.watch(
        {
            "wait for the worker": [(LocalEngine, "wait")],
            "list trials": [(optuna.Study, "get_trials")],
            "count what is left": [(progress, "trials_left")],
            "ask": [(optuna.Study, "ask"), (starting, "propose"), (starting, "build_sampler")],
            "sample": [
                (optuna.samplers.TPESampler, "infer_relative_search_space"),
                (optuna.samplers.TPESampler, "sample_relative"),
                (optuna.samplers.TPESampler, "sample_independent"),
                (optuna.samplers.RandomSampler, "sample_independent"),
            ],
            "begin the run": [(SweepRun, "start_trial")],
            "note the start": [(starting, "write_start")],
            "note the tick in the study": [(optuna.Trial, "report")],
            "prune": [(optuna.Trial, "should_prune")],
            "put in the outbox": [(Outbox, "put"), (Outbox, "put_tick"), (Outbox, "put_model")],
            "package": [(registry, "package")],
            "note the end": [(ending, "write_record")],
            "tell": [(optuna.Study, "tell")],
            "retention": [(Retention, "tidy"), (Retention, "is_worth_keeping")],
            "show the status": [(Hold, "show"), (StoreNews, "tell")],
        }
    )
    return stopwatch


def configuration(sampler: str, trials: int) -> SweepConfig:
    return SweepConfig.model_validate(
        {
            "name": f"overhead-{sampler}",
            "experiment": {"name": "overhead", "data": {"path": "none.json"}, "epochs": 1},
            "trials": trials,
            "space": {
                "learning_rate": {"low": 1e-5, "high": 1e-4, "log": True},
                "batch_size": {"choices": [8, 16, 32]},
                "max_length": {"choices": [16, 32, 64]},
            },
            "sampler": {"name": sampler, "seed": 7},
            # It compares at every tick, and hardly ever prunes: every trial has four.
            "pruner": {"name": "percentile", "percentile": 99, "warmup_epochs": 0.25},
            "keep_checkpoints": 3,
        }
    )


def run(sampler: str, trials: int, folder: Path) -> Overhead:
    stopwatch = watch_parts()
    clock = Clock(stopwatch)
    setup = TrainingSetup(checkpoint=folder, prepared=folder, label_names=LABELS)
    identity = DatasetIdentity(name="none", digest="none", source="none", rows=500)
    store = TrackingStore.open(root=folder / "mlruns")
    cpu, cpu_here = time.process_time(), time.thread_time()
    run_sweep(
        configuration(sampler, trials),
        setup=setup,
        data=PreparedData(
            directory=folder,
            label_names=LABELS,
            n_train=400,
            n_validation=100,
            n_test=0,
            identity=identity,
        ),
        store=store,
        study_url=f"sqlite:///{folder}/optuna.db",
        engine=LocalEngine(setup, trainer=PATH, logs=folder / "logs"),
        observer=clock,
        workdir=folder / "work",
    )
    drained = time.perf_counter()
    return Overhead(
        sampler=sampler,
        trials=trials,
        windows=windows(clock.moments),
        mean=1000 * (clock.moments[-1] - clock.moments[0]) / (trials - 1),
        drained=1000 * (drained - clock.moments[0]) / (trials - 1),
        cpu=1000 * (time.process_time() - cpu) / trials,
        cpu_coordinator=1000 * (time.thread_time() - cpu_here) / trials,
        parts=parts(clock.parts),
    )


def windows(moments: list[float]) -> list[float]:
    lasted = [1000 * (end - begin) for begin, end in itertools.pairwise(moments)]
    return [median(lasted[start : start + WINDOW]) for start in range(0, len(lasted), WINDOW)]


def parts(taken: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Milliseconds a trial in the first and the last window, by part."""

    def of(part: str, first: int, last: int) -> float:
        trials = range(first + 1, last)
        return median(
            1000 * (taken[n].get(part, 0.0) - taken[n - 1].get(part, 0.0)) for n in trials
        )

    size = min(WINDOW, len(taken))
    return {
        part: (of(part, 0, size), of(part, len(taken) - size, len(taken))) for part in taken[-1]
    }


def show(overhead: Overhead) -> None:
    print(f"\n{overhead.sampler}: {overhead.trials} trials, milliseconds a trial")
    print("median by hundreds: " + ", ".join(f"{value:.1f}" for value in overhead.windows))
    print(
        f"mean {overhead.mean:.1f}; until MLflow has everything {overhead.drained:.1f}; "
        f"CPU {overhead.cpu:.1f}, of which the coordinator {overhead.cpu_coordinator:.1f}"
    )
    print(f"{'part':>28} {'first':>8} {'last':>8}")
    for part, (first, last) in sorted(overhead.parts.items(), key=lambda item: -item[1][1]):
        print(f"{part:>28} {first:8.2f} {last:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--sampler", default="random", choices=["random", "tpe"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        overhead = run(options.sampler, options.trials, Path(folder))
    show(overhead)
    print(json.dumps(asdict(overhead)))


if __name__ == "__main__":
    main()
