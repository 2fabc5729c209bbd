from __future__ import annotations

import optuna
import pytest
from sweep_bench import Bench

from finesweep.config import SweepConfig
from finesweep.data import DatasetIdentity
from finesweep.errors import StudyError
from finesweep.sweeps.record import enqueued_values
from finesweep.sweeps.study import (
    adopt_configuration,
    enqueue_first,
    left_running,
    load_study,
    next_number,
    open_study,
    park,
    stored_configuration,
    study_exists,
)

DATA = DatasetIdentity(name="headlines", digest="d1", source="here", rows=100)


def opened(bench: Bench, name: str = "s") -> optuna.Study:
    return open_study(bench.study_url, name, direction="maximize")


def test_the_configuration_is_stored_with_the_study(bench: Bench) -> None:
    config = bench.config(register={"name": "m"}, enqueue=[{"batch_size": 8}])
    adopt_configuration(opened(bench), config, dataset=DATA)
    assert stored_configuration(opened(bench).user_attrs) == config


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": 50},
        {"timeout": 60.0},
        {"patience": 3, "retries": 0, "max_failures": 1},
        {"keep_checkpoints": "all", "disk_limit": 10**9},
        {"register": {"name": "m", "stage": "Production"}},
    ],
)
def test_a_budget_is_no_change(changes: dict[str, object], bench: Bench) -> None:
    adopt_configuration(opened(bench), bench.config(), dataset=DATA)
    adopt_configuration(opened(bench), bench.config(**changes), dataset=DATA)


def test_moved_data_is_no_change_and_changed_data_is(bench: Bench) -> None:
    adopt_configuration(opened(bench), bench.config(), dataset=DATA)
    moved = bench.config(
        experiment={"name": bench.name, "data": {"path": "elsewhere.json"}, "epochs": 2}
    )
    adopt_configuration(opened(bench), moved, dataset=DATA)
    changed = DatasetIdentity(name="headlines", digest="d2", source="here", rows=100)
    with pytest.raises(StudyError, match="experiment.data.digest: d1 → d2"):
        adopt_configuration(opened(bench), bench.config(), dataset=changed)


def test_a_changed_configuration_is_refused_with_what_changed(bench: Bench) -> None:
    adopt_configuration(opened(bench), bench.config(), dataset=DATA)
    changed = bench.config(
        space={"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}},
        sampler={"name": "random"},
        enqueue=[{"learning_rate": 5e-5}],
    )
    with pytest.raises(StudyError) as caught:
        adopt_configuration(opened(bench), changed, dataset=DATA)
    message = str(caught.value)
    assert "was started with another configuration:\n" in message
    assert "\n  space.learning_rate.high: 0.0001 → 0.001\n" in message
    assert "\n  sampler.name: tpe → random\n" in message
    assert "\n  enqueue: " in message
    assert message.endswith("put this back to continue it, or start another sweep with --new NAME")


def test_a_study_of_something_else_is_not_taken_over(bench: Bench) -> None:
    study = opened(bench)
    study.tell(study.ask(), 1.0)
    with pytest.raises(StudyError, match="was not made by finesweep"):
        adopt_configuration(study, bench.config(), dataset=DATA)


def test_a_study_that_is_not_there(bench: Bench) -> None:
    opened(bench, "one")
    opened(bench, "two")
    with pytest.raises(StudyError, match="there is no sweep 'three' in .*; it has one, two"):
        load_study(bench.study_url, "three")


def searched_less(bench: Bench) -> SweepConfig:
    return bench.config(
        trials=10,
        enqueue=[{"learning_rate": 5e-5, "batch_size": 8, "max_length": 64}, {"batch_size": 16}],
    )


def test_enqueued_trials_come_first_and_once(bench: Bench) -> None:
    study = opened(bench)
    for _ in range(3):
        enqueue_first(study, searched_less(bench))
    values = [enqueued_values(trial) for trial in study.trials]
    # What is not searched is the experiment's anyway, and Optuna would never ask for it.
    assert values == [{"learning_rate": 5e-5, "batch_size": 8}, {"batch_size": 16}]


def test_enqueueing_that_died_half_way_is_completed(bench: Bench) -> None:
    study = opened(bench)
    study.enqueue_trial({"learning_rate": 5e-5, "batch_size": 8})
    enqueue_first(study, searched_less(bench))
    assert len(study.trials) == 2
    assert enqueued_values(study.trials[1]) == {"batch_size": 16}


def test_a_parked_trial_is_taken_up_by_the_next_ask(bench: Bench) -> None:
    study = opened(bench)
    for value in (0.1, 0.2):
        trial = study.ask()
        trial.suggest_float("learning_rate", value, value + 0.05)
        trial.report(value, step=1)
    park(study, 0)
    assert next_number(study.trials) == 0
    study = load_study(bench.study_url, study.study_name)
    again = study.ask()
    assert again.number == 0
    assert 0.1 <= again.params["learning_rate"] <= 0.15
    assert study.trials[0].intermediate_values == {1: 0.1}
    assert next_number(study.trials) == 2
    assert [trial.number for trial in left_running(study)] == [0, 1]


def test_a_trial_that_died_between_two_suggestions_gets_the_rest(bench: Bench) -> None:
    study = opened(bench)
    first = study.ask().suggest_float("learning_rate", 0.0, 1.0)
    park(study, 0)
    again = study.ask()
    assert again.suggest_float("learning_rate", 0.0, 1.0) == first
    assert again.suggest_int("epochs", 1, 3) in (1, 2, 3)


def test_whether_a_study_exists_is_asked_without_making_one(bench: Bench) -> None:
    assert not study_exists(bench.study_url, "one")
    assert not bench.folder.joinpath("studies").exists()
    open_study(bench.study_url, "one", direction="maximize")
    assert study_exists(bench.study_url, "one")
    assert not study_exists(bench.study_url, "two")
