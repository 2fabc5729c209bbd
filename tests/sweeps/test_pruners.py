from __future__ import annotations

from typing import Any, Literal

import optuna
import pytest

from finesweep.config import SweepConfig
from finesweep.sweeps.pruners import build_pruner, describe_verdict

Direction = Literal["maximize", "minimize"]


def sweep(pruner: dict[str, Any], **changes: Any) -> SweepConfig:
    values = {
        "name": "s",
        "experiment": {"name": "e", "data": {"path": "x.json"}, "epochs": 4},
        "space": {"learning_rate": {"low": 1e-5, "high": 1e-4}},
        "pruner": pruner,
    }
    return SweepConfig.model_validate({**values, **changes})


def study_of(values: list[float], pruner: dict[str, Any], direction: Direction) -> optuna.Study:
    """A study whose completed trials reported these values at every tick up to 8."""
    study = optuna.create_study(direction=direction, pruner=build_pruner(sweep(pruner)))
    for value in values:
        trial = study.ask()
        for tick in range(1, 9):
            trial.report(value, step=tick)
        study.tell(trial, value)
    return study


def pruned_at(study: optuna.Study, value: float, ticks: int = 16) -> int | None:
    trial = study.ask()
    for tick in range(1, ticks + 1):
        trial.report(value, step=tick)
        if trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return tick
    study.tell(trial, value)
    return None


HUNDRED = [index / 100 for index in range(1, 101)]


@pytest.mark.parametrize(
    ("direction", "worst_kept", "pruned"), [("maximize", 0.26, 0.25), ("minimize", 0.75, 0.76)]
)
def test_percentile_75_prunes_the_worst_quarter_only(
    direction: Direction, worst_kept: float, pruned: float
) -> None:
    pruner = {"name": "percentile", "percentile": 75.0}
    assert pruned_at(study_of(HUNDRED, pruner, direction), worst_kept) is None
    assert pruned_at(study_of(HUNDRED, pruner, direction), pruned) == 4


@pytest.mark.parametrize("name", ["percentile", "median"])
def test_nothing_is_pruned_before_the_warm_up_is_over(name: str) -> None:
    for warmup, tick in [(0.0, 1), (1.0, 4), (1.5, 6)]:
        pruner = {"name": name, "warmup_epochs": warmup}
        assert pruned_at(study_of(HUNDRED, pruner, "maximize"), 0.0) == tick


@pytest.mark.parametrize("name", ["percentile", "median"])
def test_nothing_is_pruned_before_enough_trials_are_complete(name: str) -> None:
    few = {"name": name, "n_startup_trials": 4}
    assert pruned_at(study_of([0.5] * 3, few, "maximize"), 0.0) is None
    assert pruned_at(study_of([0.5] * 4, few, "maximize"), 0.0) == 4


def test_the_median_prunes_the_worse_half() -> None:
    pruner = {"name": "median"}
    assert pruned_at(study_of(HUNDRED, pruner, "maximize"), 0.49) == 4
    assert pruned_at(study_of(HUNDRED, pruner, "maximize"), 0.52) is None
    assert pruned_at(study_of(HUNDRED, pruner, "minimize"), 0.52) == 4


def test_asha_judges_at_its_rungs() -> None:
    study = optuna.create_study(
        direction="maximize", pruner=build_pruner(sweep({"name": "asha", "eta": 2}))
    )
    assert pruned_at(study, 0.5) is None
    assert pruned_at(study, 0.9) is None
    assert pruned_at(study, 0.1) == 4
    assert pruned_at(study, 0.6) == 8  # the better half of four at one epoch, not at two


def test_hyperband_spans_a_quarter_of_an_epoch_to_the_most_epochs() -> None:
    pruner = {"name": "hyperband", "min_epochs": 0.25, "eta": 3}
    study = optuna.create_study(direction="maximize", pruner=build_pruner(sweep(pruner)))
    values = [((index * 37) % 40) / 40 for index in range(40)]
    ticks = {pruned_at(study, value) for value in values}
    assert ticks <= {None, 1, 3, 9}
    assert len(ticks) == 4


def test_none_prunes_nothing() -> None:
    assert pruned_at(study_of(HUNDRED, {"name": "none"}, "maximize"), -1.0) is None


def test_the_most_epochs_of_a_space() -> None:
    pruner = {"name": "none"}
    rate = {"learning_rate": {"low": 1e-5, "high": 1e-4}}
    assert sweep(pruner).most_epochs == 4
    assert sweep(pruner, space={**rate, "epochs": {"choices": [1, 6, 2]}}).most_epochs == 6
    assert sweep(pruner, space={**rate, "epochs": {"low": 1, "high": 3}}).most_epochs == 3


@pytest.mark.parametrize(
    ("pruner", "words"),
    [
        ({"name": "percentile", "percentile": 75.0}, "not among the best 75 % of the completed"),
        ({"name": "median"}, "worse than the median"),
        ({"name": "asha", "eta": 2}, "not among the best 1/2 of its rung"),
        ({"name": "hyperband", "eta": 3}, "not among the best 1/3 of its rung"),
    ],
)
def test_the_verdict_says_what_the_rule_is(pruner: dict[str, Any], words: str) -> None:
    assert words in describe_verdict(sweep(pruner).pruner)
