from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState
from sweep_bench import Bench

from finesweep.config import SweepConfig
from finesweep.data import DatasetIdentity
from finesweep.errors import StudyError
from finesweep.sweeps.record import RETRY_OF, Ending, TrialRecord, enqueued_values, write_record
from finesweep.sweeps.study import (
    adopt_configuration,
    enqueue_first,
    enqueue_retries,
    load_study,
    open_study,
    stored_configuration,
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
    assert message.endswith(
        "put this back to continue it, or give the sweep another name (--set name=…)"
    )


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


def test_interrupted_trials_are_enqueued_again_once(bench: Bench) -> None:
    study = opened(bench)
    endings: list[Ending] = ["failed", "interrupted", "timeout", "diverged"]
    for ending in endings:
        trial = study.ask()
        trial.suggest_float("learning_rate", 0.0, 1.0)
        write_record(trial, TrialRecord(ending=ending, reason="because"))
        study.tell(trial, state=TrialState.FAIL)
    for _ in range(2):
        enqueue_retries(study)
    retries = study.trials[4:]
    assert [trial.user_attrs[RETRY_OF] for trial in retries] == [1, 2]
    assert [enqueued_values(trial) for trial in retries] == [
        trial.params for trial in study.trials[1:3]
    ]


def test_a_retry_that_is_interrupted_is_tried_again(bench: Bench) -> None:
    study = opened(bench)
    for _ in range(3):
        trial = study.ask()
        trial.suggest_float("learning_rate", 0.0, 1.0)
        study.tell(trial, state=TrialState.FAIL)
        enqueue_retries(study)
    assert [trial.user_attrs.get(RETRY_OF) for trial in study.trials] == [None, 0, 1, 2]
    assert len({trial.params["learning_rate"] for trial in study.trials[:3]}) == 1
