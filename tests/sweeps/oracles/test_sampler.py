from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from asking_study import HYPERMODEL, study_of, sweep
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_info, threadpool_limits

from finesweep.config import SweepConfig
from finesweep.sweeps.oracles._base import Proposal
from finesweep.sweeps.oracles.building import build_proposer
from finesweep.sweeps.oracles.chance import BayesianProposer
from finesweep.sweeps.planning import first_proposals
from finesweep.sweeps.progress import describe_end, trials_left
from finesweep.sweeps.record import note_training
from finesweep.sweeps.samplers import build_sampler
from finesweep.sweeps.space import distributions, propose
from finesweep.sweeps.study import enqueue_first, next_number, park

SMALL = {"batch_size": {"choices": [8, 16]}, "epochs": {"low": 1, "high": 3}}
KINDS = (None, "mean", 1, 2.5)


def config_of(name: str, **changes: Any) -> SweepConfig:
    return sweep(f"keras_tuner.{name}", trials=100, **changes)


def ask(study: optuna.Study, config: SweepConfig) -> optuna.Trial:
    trials = study.get_trials(deepcopy=False)
    study.sampler = build_sampler(config, trials, number=next_number(trials))
    trial = study.ask()
    propose(trial, space=config.study_space, experiment=config.experiment)
    return trial


def left(study: optuna.Study, config: SweepConfig) -> int:
    return trials_left(study.get_trials(deepcopy=False), config)


def new_study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize")


def rate_score(trial: optuna.Trial) -> float:
    return -abs(math.log10(trial.params["learning_rate"]) + 4)


def draw_conditionally(trial: optuna.Trial) -> None:
    """What a hypermodel draws: mixed choices, and names that only some trials have."""
    kind = trial.suggest_categorical("kind", KINDS)
    if kind == "mean":
        trial.suggest_int("units", 8, 512, log=True)
        trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
    trial.suggest_categorical("bias", [True, False])


def hold(trial: FrozenTrial) -> bool:
    """Whether all values are of their distributions and, but for choices, of their types."""
    types = {"learning_rate": float, "units": int, "dropout": float}
    return all(
        each._contains(each.to_internal_repr(trial.params[name]))
        and isinstance(trial.params[name], types.get(name, object))
        for name, each in trial.distributions.items()
    )


@pytest.mark.parametrize(("name", "trials"), [("random", 50), ("bayesian", 11)])
def test_the_space_grows_with_what_trials_draw(name: str, trials: int) -> None:
    settings = {"name": f"keras_tuner.{name}"} | (
        {"n_startup_trials": 9} if name == "bayesian" else {}
    )
    rate = {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}
    config = config_of(name, sampler=settings, hypermodel="module:build", space=rate)
    study, proposed = new_study(), []
    for _ in range(trials):
        trial = ask(study, config)
        draw_conditionally(trial)
        proposed.append(set(trial.relative_params))
        study.tell(trial, rate_score(trial))
    assert proposed[0] == {"learning_rate"}
    assert proposed[-1] == {"learning_rate", "kind", "units", "dropout", "bias"}
    assert all(map(hold, study.trials))
    drawn = [trial.params["kind"] for trial in study.trials]
    assert {type(kind) for kind in drawn} <= {type(kind) for kind in KINDS}
    assert len(set(drawn)) == 4 or name == "bayesian"


@pytest.mark.parametrize("name", ["random", "grid"])
def test_a_finite_space_comes_to_its_end(name: str) -> None:
    config, study = config_of(name, space=SMALL), new_study()
    points = []
    while left(study, config):
        trial = ask(study, config)
        points.append(tuple(trial.params.values()))
        study.tell(trial, 1.0)
    assert len(points) == len(set(points))
    # KerasTuner's random search gives up when it has drawn known values twenty times in a row.
    assert len(points) == 6 if name == "grid" else len(points) >= 4
    end = describe_end(study.get_trials(deepcopy=False), config)
    assert end == f"keras_tuner.{name} has nothing left to try ({len(points)} are done)"


def test_the_grid_is_in_kerastuners_order() -> None:
    points = first_proposals(config_of("grid", space=SMALL), 100)
    assert [(point.batch_size, point.epochs) for point in points] == [
        (8, 1), (8, 2), (8, 3), (16, 1), (16, 2), (16, 3),
    ]  # fmt: skip


def test_the_grid_of_a_continuous_range_is_its_lower_end_and_ten_values() -> None:
    rate = {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}
    points = first_proposals(config_of("grid", space=rate), 100)
    rates = [point.learning_rate for point in points]
    assert rates[0] == 1e-5
    assert len(set(rates)) == len(rates) == 11


def test_the_grid_knows_what_is_enqueued_open_parked_and_failed(tmp_path: Path) -> None:
    config = config_of(
        "grid", space=SMALL, enqueue=[{"batch_size": 16, "epochs": 2}, {"epochs": 3}]
    )
    # In memory Optuna does not take up a trial again.
    study = study_of(f"sqlite:///{tmp_path}/study.db", config)
    enqueue_first(study, config)
    opened = [ask(study, config) for _ in range(3)]
    assert opened[0].params == {"batch_size": 16, "epochs": 2}
    assert opened[1].params == {"batch_size": 8, "epochs": 3}
    study.tell(opened[0], state=TrialState.FAIL)
    park(study, opened[1].number)
    seen = [trial.params for trial in opened]
    while left(study, config):
        trial = ask(study, config)
        if trial.number != opened[1].number:
            seen.append(trial.params)
        else:
            assert trial.params == opened[1].params
    assert len(seen) == 6
    assert all(seen.count(params) == 1 for params in seen)


def test_bayesian_learns_and_keeps_away_from_what_runs() -> None:
    settings = {"name": "keras_tuner.bayesian", "seed": 1, "n_startup_trials": 8}
    rate = {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}
    config, study = config_of("bayesian", sampler=settings, space=rate), new_study()
    for _ in range(11):
        trial = ask(study, config)
        study.tell(trial, rate_score(trial))
    opened = [ask(study, config) for _ in range(3)]
    assert len({trial.params["learning_rate"] for trial in opened}) == 3
    # One that runs is taken for a bit worse than expected there, not for a disaster all around.
    assert sorted(map(rate_score, opened))[1] > -0.1


def test_a_proposal_takes_no_core_from_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[int] = []
    proposes = BayesianProposer.propose

    def propose_and_look(self: BayesianProposer, fixed: dict[str, Any]) -> Proposal | None:
        during.extend(pool["num_threads"] for pool in threadpool_info())
        return proposes(self, fixed)

    monkeypatch.setattr(BayesianProposer, "propose", propose_and_look)
    study, config = new_study(), config_of("bayesian")
    ask(study, config)  # loads what has threads of its own
    with threadpool_limits(2):
        allowed = [pool["num_threads"] for pool in threadpool_info()]
        during.clear()
        ask(study, config)
        assert set(during) == {1}
        assert [pool["num_threads"] for pool in threadpool_info()] == allowed


def test_bayesian_counts_a_pruned_trial_and_leaves_a_failed_one_out() -> None:
    config, study = config_of("bayesian", space=SMALL), new_study()
    study.tell(ask(study, config), state=TrialState.FAIL)
    pruned = ask(study, config)
    for step, value in ((1, 0.9), (3, 0.4), (2, 0.7)):
        pruned.report(value, step=step)
    study.tell(pruned, state=TrialState.PRUNED)
    space = distributions(config.space)
    made: Any = build_proposer(config, study.trials, space=space, seed=1)
    _, y = made._oracle._vectorize_trials()
    assert list(y) == [-0.4]


def test_a_plan_shows_the_epochs_hyperband_begins_with() -> None:
    sampler = {"name": "keras_tuner.hyperband", "max_epochs": 4}
    config = sweep("keras_tuner.hyperband", trials=20, sampler=sampler)
    assert [point.epochs for point in first_proposals(config, 5)] == [2] * 5


def test_no_sampler_of_ours_loads_tensorflow() -> None:
    code = (
        "import sys; from asking_study import *; import optuna\n"
        "config = sweep('tpe'); study = optuna.create_study(direction='maximize')\n"
        "ask_and_tell(study, config, until=3)\n"
        "import finesweep.sweeps.sweep, finesweep.sweeps.doctor\n"
        "print([name for name in ('keras_tuner', 'keras', 'tensorflow') if name in sys.modules])"
    )
    path = [*filter(None, sys.path)]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_random_search_of_a_conditional_space_tries_nothing_twice_and_ends() -> None:
    """KerasTuner compares all names of a space, of which a trial has drawn some."""
    config = sweep("keras_tuner.random", hypermodel=HYPERMODEL, space={}, trials=40)
    study = new_study()
    while left(study, config):
        number = len(study.trials)
        study.sampler = build_sampler(config, study.get_trials(deepcopy=False), number=number)
        trial = study.ask()
        if trial.suggest_categorical("a", ["x", "y"]) == "x":
            trial.suggest_categorical("b [a=x]", [1, 2])
        study.tell(trial, 1.0)
    points = [tuple(trial.params.items()) for trial in study.trials]
    assert len(points) == len(set(points)) == 3


def test_a_trial_that_fails_before_it_trains_closes_no_part_of_a_random_search() -> None:
    """It might have drawn more; what was trained, and failed, is not tried again."""
    config = sweep(
        "keras_tuner.random",
        hypermodel=HYPERMODEL,
        space={"batch_size": {"choices": [16, 32]}},
        trials=40,
    )
    study = new_study()
    for size in (16, 32):
        study.enqueue_trial({"batch_size": size})
        trial = study.ask()
        trial.suggest_categorical("batch_size", [16, 32])
        study.tell(trial, state=TrialState.FAIL)
    assert left(study, config)
    for size in (16, 32):
        study.enqueue_trial({"batch_size": size})
        trial = study.ask()
        trial.suggest_categorical("batch_size", [16, 32])
        note_training(trial)
        study.tell(trial, state=TrialState.FAIL)
    assert not left(study, config)


@pytest.mark.parametrize("name", ["random", "bayesian"])
def test_a_search_ends_though_a_combination_fails_whenever_it_is_tried(name: str) -> None:
    config = sweep(f"keras_tuner.{name}", hypermodel=HYPERMODEL, space={}, trials=40, seed=1)
    study = new_study()
    while left(study, config):
        number = len(study.trials)
        study.sampler = build_sampler(config, study.get_trials(deepcopy=False), number=number)
        trial = study.ask()
        a, b = trial.suggest_categorical("a", ["x", "y"]), trial.suggest_int("b", 1, 2)
        if (a, b) == ("x", 2):
            study.tell(trial, state=TrialState.FAIL)
        else:
            note_training(trial)
            study.tell(trial, float(b))
    failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert 0 < len(failed) <= 2
    assert 4 <= len(study.trials) < 10
