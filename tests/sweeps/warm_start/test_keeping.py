from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from earlier_work import good_points, make_study, sweep

from finesweep.sweeps.storage import open_storage
from finesweep.sweeps.study import load_study
from finesweep.sweeps.warm_start.earlier import EarlierTrial
from finesweep.sweeps.warm_start.keeping import (
    WarmStart,
    is_kept,
    keep,
    kept_reports,
    kept_trials,
)
from finesweep.sweeps.warm_start.reading import is_due
from finesweep.sweeps.warm_start.report import SourceReport


def many(count: int) -> WarmStart:
    trials = tuple(
        EarlierTrial(
            name=f"t{number:03d} of 'müde \"\\'",
            values={"learning_rate": rate, "batch_size": size, "optimizer": None},
            value=value,
            others={"fast": True, "note": "é" * 50},
        )
        for number, (rate, size, value) in enumerate(good_points(count))
    )
    report = SourceReport(
        source="'old'", found=count + 2, came_in=count, dropped={"had failed": 2}, notes=("so",)
    )
    return WarmStart(trials=trials, reports=(report,))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/optuna.db"


@pytest.fixture
def study(url: str) -> optuna.Study:
    return optuna.create_study(storage=open_storage(url, writable=True), study_name="new")


@pytest.mark.parametrize("count", [2, 700])
def test_what_came_in_is_read_as_it_was_stored(study: optuna.Study, url: str, count: int) -> None:
    assert not is_kept(study.user_attrs)
    assert (kept_trials(study), kept_reports(study.user_attrs)) == ((), ())
    keep(study, many(count))
    again = load_study(url, "new")
    assert kept_trials(again) == many(count).trials
    assert kept_reports(again.user_attrs) == many(count).reports
    stored = again._storage.get_study_system_attrs(again._study_id)
    assert all(len(json.dumps(piece).encode()) < 65_535 for piece in stored.values())
    assert again.trials == []


@pytest.mark.parametrize("deadly", [1, 3])
def test_a_process_that_is_killed_in_between_leaves_a_study_that_has_not_begun(
    study: optuna.Study, url: str, monkeypatch: pytest.MonkeyPatch, deadly: int
) -> None:
    real = study._storage.set_study_system_attr
    writes = itertools.count(1)

    def die(study_id: int, key: str, value: Any) -> None:
        if next(writes) == deadly:
            raise KeyboardInterrupt
        real(study_id, key, value)

    monkeypatch.setattr(study._storage, "set_study_system_attr", die)
    with pytest.raises(KeyboardInterrupt):
        keep(study, many(700))
    monkeypatch.undo()
    assert is_due(sweep(warm_start="old"), study_url=url)
    # What is there to bring in may have become less since.
    keep(study, many(2))
    assert not is_due(sweep(warm_start="old"), study_url=url)
    assert kept_trials(load_study(url, "new")) == many(2).trials


def test_sources_are_read_once_and_only_where_there_are_any(url: str) -> None:
    assert is_due(sweep(warm_start="old"), study_url=url)
    assert not is_due(sweep(), study_url=url)
    make_study(url, "new", good_points(2))
    assert not is_due(sweep(warm_start="old"), study_url=url)
