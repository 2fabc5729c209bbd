"""Sweeps and anybody's studies as sources: real studies in SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from earlier_work import good_points, lines, make_study, read, sweep
from optuna.trial import TrialState

from finesweep.errors import StudyError
from finesweep.sweeps.storage import open_storage


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/optuna.db"


def test_trials_of_another_sweep_come_in_and_the_others_are_counted(url: str) -> None:
    points = [
        (2e-5, 8, 0.90),
        (3e-5, 16, 0.91),
        (4e-5, 4, 0.92),
        (4e-5, 32, 0.93),
        (5e-6, 8, 0.80),
        (5e-5, 8, TrialState.FAIL),
        (6e-5, 8, TrialState.PRUNED),
        (7e-5, 8, TrialState.RUNNING),
    ]
    make_study(url, "old", points, config=sweep("old"))
    warm = read(sweep(warm_start="old"), url)
    assert [(trial.values, trial.value) for trial in warm.trials] == [
        ({"learning_rate": 2e-5, "batch_size": 8}, 0.90),
        ({"learning_rate": 3e-5, "batch_size": 16}, 0.91),
    ]
    assert lines(warm) == [
        "2 of 8 trials of 'old' came in; 2 had a batch_size that is no choice now, 1 had a "
        "learning_rate outside 1e-05 to 0.0001, 1 had failed, 1 had been pruned, 1 had not ended"
    ]


def test_what_the_other_sweep_did_not_search_is_known_from_its_experiment(url: str) -> None:
    old = sweep("old", experiment={"name": "e", "data": {"path": "x"}, "epochs": 3})
    make_study(url, "old", good_points(3), config=old)
    searched = {**sweep().space.model_dump(exclude_none=True), "epochs": {"low": 1, "high": 4}}
    length = {"name": "e", "data": {"path": "x"}, "max_length": old.experiment.max_length}
    (first, *_) = read(sweep(warm_start="old", space=searched, experiment=length), url).trials
    assert first.values["epochs"] == 3
    fixed = read(sweep(warm_start="old", experiment={**length, "epochs": 2}), url)
    assert lines(fixed) == ["0 of 3 trials of 'old' came in; 3 had epochs other than the fixed 2"]


def test_what_a_hypermodel_did_not_use_is_not_made_up(url: str) -> None:
    """Its experiment has a max_length; its code may never have asked for it."""
    make_study(url, "old", good_points(3), config=sweep("old", hypermodel="m:build"))
    searched = {**sweep().space.model_dump(exclude_none=True), "max_length": {"choices": [32, 64]}}
    more: list[dict[str, Any]] = [{"space": searched}, {}]
    read_as = [lines(read(sweep(warm_start="old", **one), url)) for one in more]
    assert read_as == [
        ["0 of 3 trials of 'old' came in; 3 had no max_length"],
        ["3 of 3 trials of 'old' came in; their models were built by m:build"],
    ]


def test_other_data_and_another_checkpoint_are_told(url: str) -> None:
    model = {"name": "e", "data": {"path": "x"}, "epochs": 2, "max_length": 64}
    old = sweep("old", experiment={**model, "model": {"checkpoint": "some/other"}})
    make_study(url, "old", good_points(3), config=old, digest="d2")
    (line,) = lines(read(sweep(warm_start="old"), url))
    assert line == (
        "3 of 3 trials of 'old' came in; their data are not this sweep's; "
        "their checkpoint is some/other"
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"metric": "val/f1"}, "its metric is val/f1, this sweep's is val/accuracy"),
        (
            {"metric": "val/loss"},
            "its metric is val/loss, this sweep's is val/accuracy",
        ),
    ],
)
def test_a_sweep_that_was_measured_otherwise_is_refused(
    url: str, changes: dict[str, str], why: str
) -> None:
    other = sweep("old", experiment={"name": "e", "data": {"path": "x"}, **changes})
    make_study(url, "old", good_points(3), config=other)
    with pytest.raises(StudyError, match=f"^warm_start 'old': {why}$"):
        read(sweep(warm_start="old"), url)


def test_anybodys_study_comes_in_with_a_remark(url: str) -> None:
    make_study(url, "mine", good_points(3))
    (line,) = lines(read(sweep(warm_start="mine"), url))
    assert line.endswith("; it names no metric, its values are taken for val/accuracy")


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_that_names_its_metric_is_held_to_it(url: str) -> None:
    make_study(url, "mine", good_points(3)).set_metric_names(["val_accuracy"])
    assert lines(read(sweep(warm_start="mine"), url)) == ["3 of 3 trials of 'mine' came in"]
    make_study(url, "loss", good_points(3)).set_metric_names(["loss"])
    with pytest.raises(StudyError, match="its metric is loss, this sweep's is val/accuracy"):
        read(sweep(warm_start="loss"), url)


def test_the_wrong_direction_and_many_objectives_are_refused(url: str) -> None:
    make_study(url, "down", good_points(3), direction="minimize")
    with pytest.raises(StudyError, match="it is to minimize its metric, this sweep to maximize it"):
        read(sweep(warm_start="down"), url)
    storage = open_storage(url, writable=True)
    optuna.create_study(storage=storage, study_name="two", directions=["maximize", "minimize"])
    with pytest.raises(StudyError, match="it has 2 objectives, this sweep has one"):
        read(sweep(warm_start="two"), url)


def test_a_sweep_that_is_missing_says_which_there_are(url: str) -> None:
    with pytest.raises(StudyError, match=r"'old': there is no study database .*\./old"):
        read(sweep(warm_start="old"), url)
    make_study(url, "a", good_points(2))
    with pytest.raises(StudyError, match=r"there is no sweep 'old' in .*; it has a \(a Keras.*"):
        read(sweep(warm_start="old"), url)


def test_a_storage_gives_all_its_studies_or_the_one_named(url: str, tmp_path: Path) -> None:
    other = tmp_path / "old.db"
    make_study(f"sqlite:///{other}", "a", good_points(3))
    make_study(f"sqlite:///{other}", "b", good_points(4))
    make_study(f"sqlite:///{other}", "loss", good_points(5), direction="minimize")
    warm = read(sweep(warm_start=[f"sqlite:///{other}"]), url)
    assert len(warm.trials) == 7
    remark = "; it names no metric, its values are taken for val/accuracy"
    assert lines(warm) == [
        f"3 of 3 trials of 'a' of {other} came in{remark}",
        f"4 of 4 trials of 'b' of {other} came in{remark}",
        f"nothing of 'loss' of {other} came in: it is to minimize its metric, this sweep to "
        "maximize it",
    ]
    assert len(read(sweep(warm_start=[f"sqlite:///{other}#b"]), url).trials) == 4
    with pytest.raises(StudyError, match="there is no sweep 'c' in .*; it has a, b, loss"):
        read(sweep(warm_start=[f"sqlite:///{other}#c"]), url)


def test_this_sweeps_own_study_is_passed_over(url: str) -> None:
    make_study(url, "new", [])
    make_study(url, "old", good_points(3))
    assert len(lines(read(sweep(warm_start=[url]), url))) == 1


def test_a_storage_without_a_study_to_learn_from_is_refused(url: str, tmp_path: Path) -> None:
    other = tmp_path / "old.db"
    make_study(f"sqlite:///{other}", "loss", good_points(3), direction="minimize")
    with pytest.raises(StudyError, match="expected a study to learn from .*: nothing of 'loss'"):
        read(sweep(warm_start=[f"sqlite:///{other}"]), url)


def test_what_is_no_storage_is_refused_and_not_written(url: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    with pytest.raises(StudyError, match="expected a database of Optuna's studies, found none in"):
        read(sweep(warm_start=[f"sqlite:///{file}"]), url)
    assert not file.exists()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE notes (text)")
    before = file.read_bytes()
    with pytest.raises(StudyError, match="expected a database of Optuna's studies, found none in"):
        read(sweep(warm_start=[f"sqlite:///{file}"]), url)
    assert file.read_bytes() == before
    file.write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    with pytest.raises(StudyError, match=r"warm_start 'sqlite:.*cannot be used"):
        read(sweep(warm_start=[f"sqlite:///{file}"]), url)


def test_a_training_that_stands_in_two_sources_comes_in_once(url: str) -> None:
    make_study(url, "old", good_points(3), config=sweep("old"))
    warm = read(sweep(warm_start=["old", f"{url}#old"]), url)
    assert len(warm.trials) == 3
    assert lines(warm)[1].endswith("came in; 3 were in another source too")


def test_a_sampler_that_does_not_learn_is_told(url: str) -> None:
    make_study(url, "old", good_points(3), config=sweep("old"))
    (line,) = lines(read(sweep(warm_start="old", sampler={"name": "random"}), url))
    assert line.endswith("came in; the sampler random does not learn from them")
