"""What Optuna and MLflow take by themselves for a trial whose training costs nothing.

    python benchmarks/plain_loop.py [--trials 200] [--sparing]

The calls that a user's own loop makes, in one thread, on two SQLite databases: ask, three
hyperparameters, four ticks reported, logged and judged, tell; a run with its params, begun and
ended. ``--sparing`` makes the same calls in the way that costs least: both databases as finesweep
opens them, and all values of a run in one request. ``overhead.py`` is a sweep of finesweep with the
same trials, and more: a worker process, records to resume from, an outbox.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import mlflow
import optuna
from mlflow.entities import Metric, Param

from finesweep.sweeps.storage import open_storage
from finesweep.tracking import TrackingStore

METRICS = ("train/loss", "val/loss", "val/accuracy", "examples_per_second")
TICKS = 4


def plain(folder: Path) -> tuple[optuna.Study, mlflow.MlflowClient, str]:
    """A study and a client as the two libraries make them."""
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("plain", artifact_location=f"{folder}/artifacts")
    return _study(optuna.storages.RDBStorage(f"sqlite:///{folder}/optuna.db")), client, experiment


def sparing(folder: Path) -> tuple[optuna.Study, mlflow.MlflowClient, str]:
    """A study and a client on the databases as finesweep opens them."""
    store = TrackingStore.open(root=folder / "mlruns")
    storage = open_storage(f"sqlite:///{folder}/optuna.db", writable=True)
    return _study(storage), store.client, store.experiment_id("plain")


def _study(storage: optuna.storages.RDBStorage) -> optuna.Study:
    return optuna.create_study(
        storage=storage,
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=7),
        # It compares at every tick, and hardly ever prunes: every trial has four.
        pruner=optuna.pruners.PercentilePruner(99.0),
    )


def trial(
    study: optuna.Study, client: mlflow.MlflowClient, experiment: str, *, at_once: bool
) -> None:
    """One trial; what it logs goes ``at_once``, or as it comes."""
    asked = study.ask()
    rate = asked.suggest_float("learning_rate", 1e-5, 1e-4, log=True)
    asked.suggest_categorical("batch_size", [8, 16, 32])
    asked.suggest_categorical("max_length", [16, 32, 64])
    params = [Param(name, str(value)) for name, value in asked.params.items()]
    run_id = client.create_run(experiment, run_name=f"t{asked.number:03d}").info.run_id
    asked.set_user_attr("run_id", run_id)
    kept: list[Metric] = []
    if not at_once:
        client.log_batch(run_id, params=params)
    value = 0.0
    for tick in range(1, TICKS + 1):
        value = rate * tick
        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, tick) for name in METRICS]
        asked.report(value, tick)
        asked.should_prune()
        if at_once:
            kept += metrics
        else:
            client.log_batch(run_id, metrics=metrics)
    if at_once:
        client.log_batch(run_id, metrics=kept, params=params)
    study.tell(asked, value)
    client.set_terminated(run_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sparing", action="store_true", help="the calls that cost least")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="plain-loop-") as folder:
        study, client, experiment = (sparing if options.sparing else plain)(Path(folder))
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(options.trials):
            trial(study, client, experiment, at_once=options.sparing)
        lasted, worked = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{'sparing' if options.sparing else 'plain'}: {1000 * lasted / options.trials:.1f} ms a "
        f"trial, CPU {1000 * worked / options.trials:.1f}"
    )


if __name__ == "__main__":
    main()
