from __future__ import annotations

import warnings
from typing import Any

import optuna
import pytest
from sweep_bench import Bench

from finesweep.config import SweepConfig
from finesweep.sweeps.planning import first_proposals
from finesweep.sweeps.samplers import build_sampler
from finesweep.sweeps.space import propose
from finesweep.training.hyperparameters import Hyperparameters

SAMPLERS = ["tpe", "random", "grid", "qmc", "cmaes"]

FINITE = {
    "learning_rate": {"choices": [1e-5, 3e-5, 5e-5]},
    "batch_size": {"choices": [8, 16]},
    "epochs": {"low": 1, "high": 3},
}


def sweep(name: str, seed: int = 7, **changes: Any) -> SweepConfig:
    continuous = {"learning_rate": {"low": 1e-5, "high": 1e-4, "log": True}}
    space = FINITE if name == "grid" else {**FINITE, **continuous}
    values = {
        "name": "s",
        "experiment": {"name": "e", "data": {"path": "x.json"}},
        "trials": 20,
        "space": space,
        "sampler": {"name": name, "seed": seed},
    }
    return SweepConfig.model_validate({**values, **changes})


def told(config: SweepConfig, count: int) -> list[Hyperparameters]:
    """Proposals of a study that is told a value for each."""
    study = optuna.create_study(direction="maximize")
    points = []
    for number in range(count):
        study.sampler = build_sampler(config, study.get_trials(deepcopy=False), number=number)
        trial = study.ask()
        point = propose(trial, space=config.space, experiment=config.experiment)
        study.tell(trial, -abs(point.learning_rate - 5e-5) - point.epochs * 1e-6)
        points.append(point)
    return points


@pytest.mark.parametrize("name", SAMPLERS)
def test_proposals_depend_on_the_seed_alone(name: str) -> None:
    assert told(sweep(name), 16) == told(sweep(name), 16)
    assert told(sweep(name), 16) != told(sweep(name, seed=8), 16)


@pytest.mark.parametrize("name", SAMPLERS)
def test_proposals_differ_from_trial_to_trial(name: str) -> None:
    points = told(sweep(name), 12)
    assert len(set(points)) > 6


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_sampler_warns(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told(sweep(name), 14)
    assert "warning" not in capfd.readouterr().err.lower()


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_a_learning_sampler_gets_near_the_best(name: str) -> None:
    points = told(sweep(name, space={"learning_rate": {"low": 1e-5, "high": 1e-4}}), 40)
    late = sorted(abs(point.learning_rate - 5e-5) for point in points[20:])
    assert late[10] < 1.2e-5  # of a range in which the median of random points is off by 2.2e-5


def test_the_plan_is_what_the_sweep_tries(bench: Bench) -> None:
    config = bench.config(trials=3, enqueue=[{"learning_rate": 5e-5, "batch_size": 16}])
    planned = first_proposals(config, 10)
    assert len(planned) == 3
    assert planned[0].learning_rate == 5e-5
    tried = [trial.hyperparameters for trial in bench.run(config).trials]
    assert tried == planned


def test_choices_alone_leave_cma_es_at_random() -> None:
    config = sweep("cmaes", space={"batch_size": {"choices": [8, 16, 32]}})
    assert {point.batch_size for point in told(config, 20)} == {8, 16, 32}


def test_a_grid_has_every_point_once() -> None:
    points = told(sweep("grid"), 18)
    assert len(set(points)) == 18
    assert told(sweep("grid"), 6) != told(sweep("grid", seed=1), 6)


def test_a_plan_of_a_grid_ends_with_it_and_counts_what_is_enqueued() -> None:
    config = sweep(
        "grid",
        trials=100,
        enqueue=[{"learning_rate": 3e-5, "batch_size": 8, "epochs": 2}, {"learning_rate": 5e-5}],
    )
    points = first_proposals(config, 100)
    assert len(points) == len(set(points)) == 18
    assert (points[0].learning_rate, points[0].batch_size, points[0].epochs) == (3e-5, 8, 2)
    assert points[1].learning_rate == 5e-5
