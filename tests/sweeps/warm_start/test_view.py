"""What samplers make of earlier trials, and what the study keeps of its own."""

from __future__ import annotations

import statistics
from typing import Any

import optuna
import pytest
from earlier_work import GOOD_RATE, good_points, sweep
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from finesweep.config import SweepConfig
from finesweep.sweeps.planning import first_proposals
from finesweep.sweeps.pruners import build_pruner
from finesweep.sweeps.samplers import build_sampler
from finesweep.sweeps.space import propose
from finesweep.sweeps.warm_start.earlier import EarlierTrial
from finesweep.sweeps.warm_start.studies import _found as found_in_study
from finesweep.sweeps.warm_start.view import WarmSampler
from finesweep.sweeps.warm_start.view import _frozen as frozen_trials

SEEDS = range(6)
NARROW = {"learning_rate": {"low": 1e-5, "high": 1e-4}, "batch_size": {"choices": [8, 16]}}


def earlier(count: int = 30, **others: Any) -> list[EarlierTrial]:
    """Trials all over the space, the best at 5e-5."""
    return [
        EarlierTrial(
            name=f"t{number:03d}",
            values={"learning_rate": rate, "batch_size": size},
            value=value,
            others={name: values[number % len(values)] for name, values in others.items()},
        )
        for number, (rate, size, value) in enumerate(good_points(count))
    ]


def distances(config: SweepConfig, known: list[EarlierTrial], count: int = 5) -> list[float]:
    """How far from the best learning rate the first proposals are."""
    proposals = first_proposals(config, count, earlier=known)
    return [abs(proposal.learning_rate - GOOD_RATE) for proposal in proposals]


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
@pytest.mark.parametrize("count", [30, 12])
def test_a_learning_sampler_begins_near_the_best(name: str, count: int) -> None:
    warm, cold = [], []
    for seed in SEEDS:
        config = sweep(space=NARROW, sampler={"name": name, "seed": seed})
        warm += distances(config, earlier(count))
        cold += distances(config, [])
    assert statistics.median(warm) < 0.6 * statistics.median(cold)


def test_cmaes_learns_from_fewer_than_ten_too() -> None:
    warm = []
    for seed in SEEDS:
        config = sweep(space=NARROW, sampler={"name": "cmaes", "seed": seed})
        warm += distances(config, earlier(6))
    assert statistics.median(warm) < 1.5e-5


@pytest.mark.parametrize("name", ["random", "qmc"])
def test_a_sampler_that_does_not_learn_proposes_what_it_would(name: str) -> None:
    config = sweep(space=NARROW, sampler={"name": name})
    assert first_proposals(config, 5, earlier=earlier()) == first_proposals(config, 5)


def test_tpe_counts_earlier_trials_among_those_it_starts_with() -> None:
    config = sweep(space=NARROW, sampler={"name": "tpe", "n_startup_trials": 10})
    cold = first_proposals(config, 3)
    assert first_proposals(config, 3, earlier=earlier(9))[0] == cold[0]
    assert first_proposals(config, 3, earlier=earlier(10))[0] != cold[0]


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
@pytest.mark.parametrize("pruner", ["percentile", "hyperband"])
def test_a_whole_study_has_its_own_trials_alone(name: str, pruner: str) -> None:
    config = sweep(trials=20, sampler={"name": name}, pruner={"name": pruner})
    study = optuna.create_study(direction="maximize", pruner=build_pruner(config))
    pruned = []
    for number in range(20):
        trials = study.get_trials(deepcopy=False)
        study.sampler = build_sampler(config, trials, number=number, earlier=earlier())
        trial = study.ask()
        propose(trial, space=config.space, experiment=config.experiment)
        # Each worse than all before, and than the earlier ones.
        value = -1.0 - number
        trial.report(value, step=5)
        if trial.should_prune():
            pruned.append(number)
        study.tell(trial, value)
    assert [trial.number for trial in study.trials] == list(range(20))
    assert (study.best_trial.number, study.best_value) == (0, -1.0)
    if pruner == "percentile":
        # It compares from the fifth on: the earlier trials are not among those it has seen.
        assert pruned == list(range(4, 20))


def test_proposals_are_the_same_after_a_break() -> None:
    config = sweep(space=NARROW)
    assert first_proposals(config, 8, earlier=earlier()) == first_proposals(
        config, 8, earlier=earlier()
    )


def drawn(config: SweepConfig, known: list[EarlierTrial], count: int = 12) -> list[float]:
    """What a hypermodel's ``dropout`` comes out as, and its ``units`` that must be whole."""
    study = optuna.create_study(direction="maximize")
    dropouts = []
    for number in range(count):
        trials = study.get_trials(deepcopy=False)
        study.sampler = build_sampler(config, trials, number=number, earlier=known)
        trial = study.ask()
        propose(trial, space=config.space, experiment=config.experiment)
        dropouts.append(trial.suggest_float("dropout", 0.0, 1.0))
        assert isinstance(trial.suggest_int("units", 8, 64, step=8), int)
        assert trial.suggest_categorical("optimizer", ["adam", "sgd"]) in ("adam", "sgd")
        study.tell(trial, 0.5)
    return dropouts


@pytest.mark.parametrize("space", [NARROW, {}])
def test_what_a_hypermodel_draws_is_learned_too(space: dict[str, Any]) -> None:
    config = sweep(space=space, hypermodel="models:build")
    # The nearer to 0.8 the better; an optimizer that is no choice any more costs nothing else.
    dropout = [0.1, 0.3, 0.5, 0.7, 0.9, 0.2, 0.4, 0.6, 0.0, 1.0]
    known = [
        EarlierTrial(
            name=f"t{number}",
            values={"learning_rate": 5e-5, "batch_size": 8} if space else {},
            value=1.0 - abs(dropout[number % 10] - 0.8),
            others={"dropout": str(dropout[number % 10]), "units": 16.0, "optimizer": "adamw"},
        )
        for number in range(40)
    ]
    warm = [abs(value - 0.8) for value in drawn(config, known)]
    cold = [abs(value - 0.8) for value in drawn(config, [])]
    assert statistics.median(warm) < 0.5 * statistics.median(cold)


def test_trials_that_lack_what_a_hypermodel_draws_are_still_learned_from() -> None:
    config = sweep(space=NARROW, hypermodel="models:build")
    study = optuna.create_study(direction="maximize")
    far = []
    for number in range(12):
        trials = study.get_trials(deepcopy=False)
        study.sampler = build_sampler(config, trials, number=number, earlier=earlier())
        trial = study.ask()
        point = propose(trial, space=config.space, experiment=config.experiment)
        trial.suggest_float("dropout", 0.0, 1.0)
        far.append(abs(point.learning_rate - GOOD_RATE))
        study.tell(trial, 0.0)
    assert statistics.median(far) < 2e-5


def test_the_view_answers_as_a_study_does() -> None:
    config = sweep()
    study = optuna.create_study(direction="maximize")
    study.add_trial(optuna.create_trial(value=0.5, params={}, distributions={}))
    study.enqueue_trial({"learning_rate": 2e-5})
    seen: dict[str, Any] = {}

    class Looking(optuna.samplers.RandomSampler):
        def sample_relative(self, study: optuna.Study, trial: Any, search_space: Any) -> Any:
            seen["all"] = [trial.number for trial in study.trials]
            seen["waiting"] = study.get_trials(states=(TrialState.RUNNING,))
            seen["complete"] = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
            seen["name"], seen["direction"] = study.study_name, study.direction
            return super().sample_relative(study, trial, search_space)

    study.sampler = WarmSampler(Looking(), earlier(3), config.space, shares_others=True)
    propose(study.ask(), space=config.space, experiment=config.experiment)
    assert seen["all"] == [-3, -2, -1, 0, 1]
    assert [trial.number for trial in seen["waiting"]] == [1]
    assert seen["complete"] == 4
    assert (seen["name"], seen["direction"]) == (study.study_name, study.direction)


def test_what_was_mirrored_is_mirrored_between_the_bounds_of_now() -> None:
    """A momentum of 0.8 is one, however wide the range it is drawn from."""
    name = "momentum (reverse_log)"
    earlier_study = optuna.create_study(direction="maximize")
    for number in range(12):
        trial = earlier_study.ask({name: FloatDistribution(0.1, 0.9, log=True)})
        earlier_study.tell(trial, number / 20)
    meant = [1.0 - trial.params[name] for trial in earlier_study.trials]
    found = [found_in_study(trial, {}) for trial in earlier_study.trials]
    known = [
        EarlierTrial(name=one.name, values={}, value=one.value or 0.0, others=dict(one.params))
        for one in found
    ]
    assert [trial.others[name] for trial in known] == pytest.approx(meant)
    now = FloatDistribution(0.05, 0.99, log=True)
    shown = frozen_trials(known, {name: now})
    assert [1.04 - trial.params[name] for trial in shown] == pytest.approx(meant)
