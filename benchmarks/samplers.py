"""Every sampler on the same objective: a table of real fine-tunings, looked up instead of trained.

    python benchmarks/samplers.py [--seeds 20] [--samplers tpe random] [--core 0]

The objective is benchmarks/data/fine_tunings.csv (see make_fine_tunings.py): validation accuracy
by learning rate, batch size, length and epochs, with straight lines in the logarithm of the rate
between the rates that were trained. Trials follow one another; each sampler is asked as a sweep
asks it. Results are kept in --results, a line a sampler and seed, so that a run that was broken off
goes on; then the table in docs/samplers.md is written anew. Twenty seeds take about half an hour on
one core, nearly all of it KerasTuner's Gaussian process.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import math
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesweep.config import SweepConfig

HERE = Path(__file__).resolve().parent
TABLE = HERE / "data" / "fine_tunings.csv"
RESULTS = HERE / "data" / "samplers.csv"
DOCUMENT = HERE.parent / "docs" / "samplers.md"
BEGIN, END = "<!-- samplers: begin -->", "<!-- samplers: end -->"
SAMPLERS = (
    "tpe",
    "random",
    "grid",
    "qmc",
    "cmaes",
    "keras_tuner.bayesian",
    "keras_tuner.random",
    "keras_tuner.hyperband",
    "keras_tuner.grid",
)
HYPERBAND = "keras_tuner.hyperband"
COUNTS = (10, 20, 40)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Result:
    """One search: the best accuracy after 10, 20 and 40 trials, and what they cost."""

    sampler: str
    seed: int
    best_10: float
    best_20: float
    best_40: float
    epochs: int
    milliseconds: float


class Objective:
    """Validation accuracy by hyperparameters."""

    def __init__(self, table: Path) -> None:
        curves: dict[tuple[int, int, int], list[tuple[float, float]]] = defaultdict(list)
        with table.open(newline="") as stream:
            for row in csv.DictReader(stream):
                key = int(row["batch_size"]), int(row["max_length"]), int(row["epochs"])
                point = math.log(float(row["learning_rate"])), float(row["val_accuracy"])
                curves[key].append(point)
        self._curves = {key: sorted(points) for key, points in curves.items()}
        lengths = {len(points) for points in self._curves.values()}
        if len(lengths) != 1:
            raise SystemExit(f"{table} is not whole yet: make_fine_tunings.py goes on with it")
        self.rates = [math.exp(rate) for rate, _ in next(iter(self._curves.values()))]
        self.best = max(value for points in self._curves.values() for _, value in points)

    def __call__(self, params: Mapping[str, Any]) -> float:
        points = self._curves[params["batch_size"], params["max_length"], params["epochs"]]
        rate = math.log(params["learning_rate"])
        right = min(max(bisect.bisect_left(points, (rate,)), 1), len(points) - 1)
        (low, below), (high, above) = points[right - 1 : right + 1]
        share = min(max((rate - low) / (high - low), 0.0), 1.0)
        return below + share * (above - below)

    def values(self, name: str) -> list[int]:
        """The batch sizes, lengths or epochs of the table."""
        place = ("batch_size", "max_length", "epochs").index(name)
        return sorted({key[place] for key in self._curves})


def sweep(sampler: str, seed: int, objective: Objective) -> SweepConfig:
    """The sweep whose sampler is asked; a grid has the rates of the table."""
    from finesweep.config import SweepConfig

    epochs = objective.values("epochs")
    space: dict[str, Any] = {
        "learning_rate": (
            {"choices": objective.rates}
            if sampler == "grid"
            else {"low": objective.rates[0], "high": objective.rates[-1], "log": True}
        ),
        "batch_size": {"choices": objective.values("batch_size")},
        "epochs": {"low": epochs[0], "high": epochs[-1]},
        "max_length": {"choices": objective.values("max_length")},
    }
    settings: dict[str, Any] = {"name": sampler, "seed": seed}
    if sampler == HYPERBAND:
        del space["epochs"]
        settings |= {"max_epochs": epochs[-1], "iterations": 20}
    return SweepConfig.model_validate(
        {
            "name": "benchmark",
            "experiment": {"name": "e", "data": {"path": "x.json"}, "schedule": "constant"},
            "trials": max(COUNTS),
            "space": space,
            "sampler": settings,
            "pruner": {"name": "none"},
        }
    )


def search(sampler: str, seed: int, objective: Objective) -> Result:
    """One search of forty trials."""
    import optuna

    from finesweep.sweeps.oracles.rungs import rung_of
    from finesweep.sweeps.samplers import build_sampler
    from finesweep.sweeps.space import propose

    config = sweep(sampler, seed, objective)
    study = optuna.create_study(direction="maximize")
    values, seconds, epochs = [], [], 0
    for number in range(max(COUNTS)):
        began = time.perf_counter()
        study.sampler = build_sampler(config, study.get_trials(deepcopy=False), number=number)
        trial = study.ask()
        propose(trial, space=config.study_space, experiment=config.experiment)
        seconds.append(time.perf_counter() - began)
        rung = rung_of(study.get_trials(deepcopy=False)[number])
        epochs += trial.params["epochs"] - (rung.initial_epoch if rung is not None else 0)
        values.append(objective(trial.params))
        study.tell(trial, values[-1])
    best = (round(max(values[:count]), 5) for count in COUNTS)
    return Result(sampler, seed, *best, epochs, round(1000 * statistics.mean(seconds), 1))


def known(results: Path) -> list[Result]:
    if not results.exists():
        return []
    kinds = {"sampler": str, "seed": int, "epochs": int}
    with results.open(newline="") as stream:
        return [
            Result(**{name: kinds.get(name, float)(text) for name, text in row.items()})
            for row in csv.DictReader(stream)
        ]


def append(results: Path, result: Result) -> None:
    is_new = not results.exists()
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if is_new:
            writer.writerow([field.name for field in fields(Result)])
        writer.writerow(astuple(result))


def markdown(results: list[Result], objective: Objective) -> str:
    lines = [
        "| sampler | best of 10 | of 20 | of 40 | epochs trained | a proposal |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for sampler in SAMPLERS:
        ours = [result for result in results if result.sampler == sampler]
        if not ours:
            continue
        best = [
            f"{statistics.mean(getattr(result, f'best_{count}') for result in ours):.4f}"
            for count in COUNTS
        ]
        epochs = statistics.mean(result.epochs for result in ours)
        took = statistics.mean(result.milliseconds for result in ours)
        shown = f"{took / 1000:.1f} s" if took >= 1000 else f"{math.ceil(took)} ms"
        lines.append(f"| `{sampler}` | {' | '.join(best)} | {epochs:.0f} | {shown} |")
    seeds = min(sum(result.sampler == sampler for result in results) for sampler in SAMPLERS)
    about = (
        f"Mean of {seeds} seeds; the best of the table itself is {objective.best:.4f}. Epochs are "
        "those of all forty trials, and the time of a proposal is their mean, on one core."
    )
    return "\n".join([*lines, "", about])


def write(document: Path, table: str) -> None:
    """Put the table between its two marks."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS)
    parser.add_argument("--core", type=int, help="the processor core to keep to")
    options = parser.parse_args()
    # Before NumPy is imported, and TensorFlow with KerasTuner.
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})

    from finesweep.sweeps.study import silence_optuna

    silence_optuna()
    if any(name.startswith("keras_tuner.") for name in options.samplers):
        # Its loading is no proposal's.
        import finesweep.sweeps.oracles.sampler  # noqa: F401
    objective = Objective(options.table)
    done = {(result.sampler, result.seed) for result in known(options.results)}
    for sampler in options.samplers:
        for seed in range(options.seeds):
            if (sampler, seed) not in done:
                result = search(sampler, seed, objective)
                append(options.results, result)
                sys.stdout.write(f"{result}\n")
                sys.stdout.flush()
    write(options.document, markdown(known(options.results), objective))


if __name__ == "__main__":
    main()
