"""What every sampler promises: 50 trials, two open at a time, in one process or in two.

On the four, whose values are of several kinds, and on a hypermodel's conditional space besides.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asking_study
import optuna
import pytest
from asking_study import HYPERMODEL, POOLINGS, ask_and_tell, drawn_names, study_of, sweep
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig, to_plain
from finesweep.sweeps.space import distributions

TRIALS, HALF = 50, 25
SAMPLERS = [
    "tpe",
    "random",
    "grid",
    "qmc",
    "cmaes",
    "keras_tuner.random",
    "keras_tuner.grid",
    "keras_tuner.hyperband",
    pytest.param("keras_tuner.bayesian", marks=pytest.mark.slow),
]
# The whole point of a grid is to have no chance in it.
SEEDLESS = "keras_tuner.grid"


def config_of(name: str, *, hypermodel: str | None = None, seed: int = 7) -> SweepConfig:
    if name != "keras_tuner.bayesian":
        return sweep(name, seed=seed, trials=TRIALS, hypermodel=hypermodel)
    # Seconds a proposal, once it has begun to learn.
    settings = {"name": name, "seed": seed, "n_startup_trials": TRIALS - 4}
    return sweep(name, trials=TRIALS, sampler=settings, hypermodel=hypermodel)


def each(hypermodel: str | None) -> list[Any]:
    """The samplers, each with the hypermodel, under the marks they have."""
    params = [s if isinstance(s, type(pytest.param())) else pytest.param(s) for s in SAMPLERS]
    word = "conditional" if hypermodel else "the four"
    return [
        pytest.param((*param.values, hypermodel), marks=param.marks, id=f"{param.values[0]}-{word}")
        for param in params
    ]


@dataclass(frozen=True)
class Course:
    """The trials of a study that one process asked for, and of one that two did."""

    config: SweepConfig
    whole: list[FrozenTrial]
    resumed: list[FrozenTrial]


@pytest.fixture(scope="module", params=[*each(None), *each(HYPERMODEL)])
def course(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Course:
    name, hypermodel = request.param
    config, folder = config_of(name, hypermodel=hypermodel), tmp_path_factory.mktemp("studies")
    ours, theirs = folder / "ours.db", folder / "theirs.db"
    ask_and_tell(study_of(f"sqlite:///{theirs}", config), config, until=HALF)
    plan = {"url": f"sqlite:///{theirs}", "config": to_plain(config), "until": TRIALS}
    elsewhere = subprocess.Popen(
        [sys.executable, asking_study.__file__], stdin=subprocess.PIPE, text=True
    )
    assert elsewhere.stdin is not None
    elsewhere.stdin.write(json.dumps([plan]))
    elsewhere.stdin.close()
    ask_and_tell(study_of(f"sqlite:///{ours}", config), config, until=TRIALS)
    assert elsewhere.wait(timeout=500) == 0
    return Course(config=config, whole=trials_in(ours), resumed=trials_in(theirs))


def trials_in(file: Path) -> list[FrozenTrial]:
    (name,) = optuna.get_all_study_names(f"sqlite:///{file}")
    return list(optuna.load_study(storage=f"sqlite:///{file}", study_name=name).trials)


def points(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    return [trial.params for trial in trials]


def test_every_trial_is_there_and_the_last_two_are_open(course: Course) -> None:
    states = [trial.state for trial in course.whole]
    assert states == [TrialState.COMPLETE] * (TRIALS - 2) + [TrialState.RUNNING] * 2


def test_every_value_lies_in_its_distribution_and_is_of_its_type(course: Course) -> None:
    four = {"learning_rate": float, "batch_size": int, "epochs": int, "max_length": int}
    drawn = {"kind": str, "units": int, "dropout": float, "hidden": bool, "width": int}
    conditional = course.config.hypermodel is not None
    space = distributions(course.config.study_space)
    for trial in course.whole:
        assert trial.params.keys() == {
            *space,
            *(drawn_names(trial.params) if conditional else ()),
        }
        assert {name: trial.distributions[name] for name in space} == space
        for name, value in trial.params.items():
            if name == "pooling":
                assert (type(value), value) in [(type(choice), choice) for choice in POOLINGS]
                continue
            assert type(value) is (four | drawn)[name.partition(" ")[0]]
            distribution = trial.distributions[name]
            assert distribution._contains(distribution.to_internal_repr(value))


def test_every_branch_of_a_condition_is_tried(course: Course) -> None:
    if course.config.hypermodel is not None:
        assert {trial.params["kind"] for trial in course.whole} == {"mean", "convolution"}
        assert {trial.params["hidden"] for trial in course.whole} == {True, False}


def test_another_process_goes_on_with_the_same_proposals(course: Course) -> None:
    assert points(course.resumed) == points(course.whole)
    assert [trial.state for trial in course.resumed] == [trial.state for trial in course.whole]
    assert [trial.values for trial in course.resumed] == [trial.values for trial in course.whole]


def test_proposals_are_the_seeds_and_nothing_elses(course: Course, tmp_path: Path) -> None:
    name = course.config.sampler.name
    for seed in (7, 8):
        config = config_of(name, hypermodel=course.config.hypermodel, seed=seed)
        study = study_of(f"sqlite:///{tmp_path}/{seed}.db", config)
        ask_and_tell(study, config, until=10)
        same = points(study.trials) == points(course.whole[:10])
        assert same == (seed == 7 or name == SEEDLESS)


def test_two_that_are_open_at_once_differ(course: Course) -> None:
    pairs = zip(course.whole, course.whole[1:], strict=False)
    alike = [one.number for one, two in pairs if one.params == two.params]
    assert not alike
