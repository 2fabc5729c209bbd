from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState
from sweep_bench import Bench, RecordingObserver

from finesweep.sweeps import TrialSummary
from finesweep.sweeps.study import load_study, open_study, park


@pytest.fixture
def study(bench: Bench) -> optuna.Study:
    sampler = RandomSampler(seed=7)
    return open_study(bench.study_url, "s", direction="maximize", sampler=sampler)


def stored(bench: Bench, name: str = "s") -> list[dict[str, str]]:
    """What the database says of every trial."""
    return [known(trial) for trial in load_study(bench.study_url, name).trials]


def known(trial: FrozenTrial) -> dict[str, str]:
    """All of a trial; of its moments, which may differ by milliseconds, whether there are any.

    As text, in which not-a-number is what it is; the database keeps no order of names.
    """
    parts = dict(vars(trial))
    for moment in ("_datetime_start", "datetime_complete"):
        parts[moment] = parts[moment] is not None
    return {
        name: repr(sorted(value.items()) if isinstance(value, dict) else value)
        for name, value in parts.items()
    }


def test_memory_says_what_the_database_says(study: optuna.Study, bench: Bench) -> None:
    def check() -> None:
        assert [known(trial) for trial in study.get_trials()] == stored(bench)

    check()
    study.enqueue_trial({"rate": 0.5, "size": 8}, user_attrs={"who": "somebody"})
    check()
    for value in (0.25, float("nan"), float("-inf")):
        trial = study.ask()
        check()
        trial.suggest_float("rate", 1e-5, 1.0, log=True)
        trial.suggest_categorical("size", [8, 16])
        trial.suggest_int("epochs", 1, 4)
        check()
        trial.set_user_attr("record", {"ending": "completed", "cores": (1, 2), 3: None})
        trial.set_user_attr("record", {"ending": "pruned"})
        trial.report(value, step=1)
        trial.report(1, step=2)
        check()
        trial.should_prune()
        study.tell(trial.number, 0.5)
        check()
    study.tell(study.ask().number, state=TrialState.FAIL)
    pruned = study.ask()
    pruned.report(0.1, step=4)
    study.tell(pruned, state=TrialState.PRUNED)
    check()
    assert study.best_trial.number == 0


def test_a_parked_trial_goes_on_with_what_it_has(study: optuna.Study, bench: Bench) -> None:
    trial = study.ask()
    rate = trial.suggest_float("rate", 0.0, 1.0)
    trial.report(0.5, step=1)
    park(study, trial.number)
    assert [known(trial) for trial in study.get_trials()] == stored(bench)
    again = study.ask()
    assert (again.number, again.suggest_float("rate", 0.0, 1.0)) == (trial.number, rate)
    assert study.get_trials()[0].intermediate_values == {1: 0.5}
    assert [known(trial) for trial in study.get_trials()] == stored(bench)


def test_a_trial_that_was_handed_out_stays_as_it_was(study: optuna.Study) -> None:
    running = study.ask()
    before = study.get_trials(deepcopy=False)
    running.report(0.5, step=1)
    running.set_user_attr("a", 1)
    running.suggest_float("rate", 0.0, 1.0)
    study.tell(running, 0.5)
    (trial,) = before
    assert trial.state == TrialState.RUNNING
    assert (trial.intermediate_values, trial.user_attrs, trial.params) == ({}, {}, {})


def test_what_an_earlier_process_wrote_is_read(study: optuna.Study, bench: Bench) -> None:
    study.tell(study.ask(), 0.5)
    left = study.ask()
    left.report(0.25, step=1)
    later = open_study(bench.study_url, "s", direction="maximize")
    assert [known(trial) for trial in later.get_trials()] == stored(bench)
    later.tell(left.number, state=TrialState.FAIL)
    assert [known(trial) for trial in later.get_trials()] == stored(bench)


def test_another_study_of_the_database_is_not_mixed_in(study: optuna.Study, bench: Bench) -> None:
    study.tell(study.ask(), 0.5)
    other = optuna.create_study(storage=study._storage, study_name="other", direction="maximize")
    trial = other.ask()
    trial.suggest_float("rate", 0.0, 1.0)
    trial.report(0.75, step=1)
    other.tell(trial, 0.75)
    assert [known(trial) for trial in other.get_trials()] == stored(bench, "other")
    assert [known(trial) for trial in study.get_trials()] == stored(bench)


def test_a_write_that_fails_leaves_memory_as_the_database(
    study: optuna.Study, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = study.ask()
    trial.report(0.5, step=1)
    storage: Any = study._storage

    def written_and_interrupted(trial_id: int, step: int, value: float) -> None:
        write(trial_id, step, value)
        raise KeyboardInterrupt

    write = storage._backend.set_trial_intermediate_value
    with monkeypatch.context() as patch:
        patch.setattr(storage._backend, "set_trial_intermediate_value", written_and_interrupted)
        with pytest.raises(KeyboardInterrupt):
            trial.report(0.75, step=2)
    assert study.get_trials()[0].intermediate_values == {1: 0.5, 2: 0.75}
    with sqlite3.connect(bench.folder / "studies" / "optuna.db") as database:
        database.execute("delete from trial_intermediate_values where step = 2")
    with monkeypatch.context() as patch:
        patch.setattr(storage._backend, "set_trial_user_attr", _refuse)
        with pytest.raises(OSError, match="no"):
            trial.set_user_attr("a", 1)
    assert [known(trial) for trial in study.get_trials()] == stored(bench)


def _refuse(*_: object) -> None:
    raise OSError("no")


class CountingObserver(RecordingObserver):
    """Notes how many statements the study's database has had when a trial ends."""

    def __init__(self, statements: Counter[str]) -> None:
        super().__init__()
        self.statements = statements
        self.at_end: list[int] = []

    def trial_ended(self, summary: TrialSummary) -> None:
        self.at_end.append(self.statements["study"])


@contextmanager
def counted_statements() -> Iterator[Counter[str]]:
    """Counts the statements of this process to the study's database."""
    counts: Counter[str] = Counter()

    def note(connection: sqlalchemy.Connection, *_: object) -> None:
        if str(connection.engine.url).endswith("optuna.db"):
            counts["study"] += 1

    event = (sqlalchemy.Engine, "before_cursor_execute", note)
    sqlalchemy.event.listen(*event)
    try:
        yield counts
    finally:
        sqlalchemy.event.remove(*event)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_fortieth_trial_asks_the_database_no_more_than_the_fifteenth(
    sampler: str, bench: Bench
) -> None:
    with counted_statements() as statements:
        observer = CountingObserver(statements)
        bench.run(
            bench.config(
                trials=40,
                experiment={"name": bench.name, "data": {"path": "x.json"}, "epochs": 1},
                # All the same, so that none is pruned and none is better.
                space={"learning_rate": {"low": 4.99999e-5, "high": 5e-5}},
                sampler={"name": sampler, "seed": 7},
                pruner={"name": "percentile", "percentile": 99, "warmup_epochs": 0.25},
                keep_checkpoints="all",
            ),
            observer,
        )
    per_trial = [
        after - before for before, after in zip(observer.at_end, observer.at_end[1:], strict=False)
    ]
    assert per_trial[13] > 0
    assert per_trial[13] == per_trial[38]
