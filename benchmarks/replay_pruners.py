"""What pruners would have made of a sweep that had none, whatever the order of its trials.

    python benchmarks/replay_pruners.py sqlite:///ttr/mlruns/optuna.db none \\
        '{"name": "asha", "min_epochs": 0.25, "eta": 2}'

The curves and the seconds of the sweep's completed trials are told again, to a study with the
pruner in question and as many workers as are named; nothing is trained. Trials take as long a tick
as they took, and nothing lies between them. The first order is the sweep's own, the others are
shuffled.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import optuna
from optuna.trial import TrialState

from finesweep.config import SweepConfig, to_plain
from finesweep.sweeps.pruners import build_pruner
from finesweep.sweeps.record import record_of
from finesweep.sweeps.study import load_study, stored_configuration


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A completed trial: its metric at each tick, and the seconds a tick took."""

    ticks: tuple[tuple[int, float], ...]
    seconds_per_tick: float


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came of one order: the seconds until the last trial ended, and the best result."""

    seconds: float
    best: float


def curves_of(study: optuna.Study) -> list[Curve]:
    """The completed trials of a sweep."""
    curves = []
    for trial in study.get_trials(states=(TrialState.COMPLETE,)):
        ticks = tuple(sorted(trial.intermediate_values.items()))
        seconds = record_of(trial).seconds or 0.0
        curves.append(Curve(ticks=ticks, seconds_per_tick=seconds / len(ticks)))
    return curves


def replay(config: SweepConfig, curves: Sequence[Curve], *, workers: int) -> Replayed:
    """Tell the trials again, in this order, to a study with the configuration's pruner."""
    direction = config.experiment.direction
    # Hyperband's brackets follow from the name; time_to_result.py calls a sweep by its pruner.
    study = optuna.create_study(
        study_name=config.pruner.name, direction=direction, pruner=build_pruner(config)
    )
    better = max if direction == "maximize" else min
    to_come, turns, ended = iter(curves), itertools.count(), 0.0
    at_work: list[tuple[float, int, optuna.Trial, Curve, int]] = []

    def begin(now: float) -> None:
        curve = next(to_come, None)
        if curve is not None:
            end = now + curve.seconds_per_tick
            heapq.heappush(at_work, (end, next(turns), study.ask(), curve, 0))

    for _ in range(workers):
        begin(0.0)
    results = []
    while at_work:
        ended, _, trial, curve, index = heapq.heappop(at_work)
        tick, value = curve.ticks[index]
        trial.report(value, step=tick)
        if index == len(curve.ticks) - 1:
            results.append(value)
            study.tell(trial, value)
            begin(ended)
        elif trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            begin(ended)
        else:
            end = ended + curve.seconds_per_tick
            heapq.heappush(at_work, (end, next(turns), trial, curve, index + 1))
    return Replayed(seconds=ended, best=better(results))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("storage", help="the database of the sweep's study")
    parser.add_argument("sweep", help="its name")
    parser.add_argument("pruners", nargs="+", type=json.loads, help="as in a sweep file, as JSON")
    parser.add_argument("--orders", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = load_study(options.storage, options.sweep)
    swept, curves = stored_configuration(study.user_attrs), curves_of(study)
    if swept is None or not curves:
        raise SystemExit(f"expected a sweep with completed trials, {options.sweep} is none")
    shuffled = (random.Random(seed) for seed in range(1, options.orders))
    orders = [curves, *(chance.sample(curves, len(curves)) for chance in shuffled)]

    def told(pruner: dict[str, object]) -> list[Replayed]:
        plain = {**to_plain(swept), "pruner": pruner}
        config = SweepConfig.model_validate_json(json.dumps(plain))
        return [replay(config, order, workers=options.workers) for order in orders]

    whole = told({"name": "none"})
    print(f"{len(curves)} trials in {len(orders)} orders: mean share of the time, mean points lost")
    for pruner in options.pruners:
        pairs = list(zip(told(pruner), whole, strict=True))
        shares = [one.seconds / other.seconds for one, other in pairs]
        lost = [100 * abs(other.best - one.best) for one, other in pairs]
        both = fmean(
            share <= 0.6 and points <= 0.3 for share, points in zip(shares, lost, strict=True)
        )
        print(
            f"{json.dumps(pruner)}: {fmean(shares):.0%}, {fmean(lost):.2f}; at most 60 % and 0.3 "
            f"points in {both:.0%} of them; in the sweep's own order {shares[0]:.0%}, {lost[0]:.2f}"
        )


if __name__ == "__main__":
    main()
