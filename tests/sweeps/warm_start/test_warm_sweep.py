"""Whole sweeps that start from earlier ones: real studies, a real store, a scripted trainer."""

from __future__ import annotations

import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from earlier_work import GOOD_RATE, good_points, make_project, make_study, sweep
from sweep_bench import Bench, RecordingObserver

from finesweep.errors import StudyError
from finesweep.sweeps import load_result
from finesweep.sweeps import sweep as sweeping
from finesweep.sweeps.status import sweep_statuses
from finesweep.sweeps.study import study_exists
from finesweep.sweeps.warm_start.keeping import kept_trials

SPACE = {"learning_rate": {"low": 1e-5, "high": 1e-4}, "batch_size": {"choices": [8, 16]}}
FROM_OLD = "30 of 30 trials of 'old' came in"


@pytest.fixture
def old(bench: Bench) -> str:
    model = {"name": "e", "data": {"path": "x"}, "epochs": 2}
    earlier = sweep("old", experiment=model)
    make_study(bench.study_url, "old", good_points(30), config=earlier, digest=bench.digest)
    return "old"


def test_a_sweep_starts_where_another_ended(
    bench: Bench, old: str, observer: RecordingObserver
) -> None:
    config = bench.config(trials=3, space=SPACE, warm_start=[old], register=None)
    result = bench.run(config, observer)

    assert observer.warm == [FROM_OLD]
    assert observer.started == [(3, 0)]
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert result.best in result.trials
    study = bench.study()
    assert [trial.number for trial in study.trials] == [0, 1, 2]
    assert len(kept_trials(study)) == 30
    experiment = bench.mlflow_run(result.run_id).info.experiment_id
    runs = bench.store.client.search_runs([experiment])
    assert len(runs) == 4  # the sweep's and its trials'

    cold_bench = replace(bench, name=f"{bench.name}-cold", engine=None)
    cold = cold_bench.run(cold_bench.config(trials=3, space=SPACE))
    far = [abs(trial.hyperparameters.learning_rate - GOOD_RATE) for trial in result.trials]
    cold_far = [abs(trial.hyperparameters.learning_rate - GOOD_RATE) for trial in cold.trials]
    assert statistics.mean(far) < 0.7 * statistics.mean(cold_far)


def test_what_came_in_is_told_wherever_the_sweep_is_shown(bench: Bench, old: str) -> None:
    result = bench.run(bench.config(trials=1, space=SPACE, warm_start=old))
    (report,) = result.warm_start
    assert str(report) == FROM_OLD
    tags = bench.mlflow_run(result.run_id).data.tags
    assert tags["finesweep.warm_start"] == FROM_OLD
    shown = load_result(bench.study_url, bench.name)
    assert shown.warm_start == result.warm_start
    assert asdict(shown)["warm_start"][0]["came_in"] == 30
    statuses = {one.name: one for one in sweep_statuses(bench.study_url, work=bench.workdir)}
    assert statuses[bench.name].warm_start == result.warm_start
    assert statuses["old"].warm_start == ()


def test_a_sweep_that_goes_on_does_not_read_its_sources_again(
    bench: Bench, old: str, observer: RecordingObserver, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "p", [{"learning_rate": 5e-5, "batch_size": 8, "score": 0.9}])
    sources = [old, str(project)]
    bench.run(bench.config(trials=1, space=SPACE, warm_start=sources))
    (project / "oracle.json").unlink()
    result = bench.run(bench.config(trials=2, space=SPACE, warm_start=sources), observer)
    assert observer.warm == []
    assert len(result.trials) == 2
    assert len(kept_trials(bench.study())) == 31


def test_a_kill_before_the_import_is_on_record_is_made_good(
    bench: Bench, old: str, observer: RecordingObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = bench.config(trials=1, space=SPACE, warm_start=old)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeping, "keep", die)
    with pytest.raises(KeyboardInterrupt):
        bench.run(config)
    monkeypatch.undo()
    assert study_exists(bench.study_url, bench.name)
    result = bench.run(config, observer)
    assert observer.warm == [FROM_OLD]
    assert len(result.trials) == 1


def test_other_sources_are_another_sweep(bench: Bench, old: str) -> None:
    bench.run(bench.config(trials=1, space=SPACE, warm_start=old))
    for changed in ([], ["old", "older"]):
        with pytest.raises(StudyError, match=r"warm_start: \[old\] → \["):
            bench.run(bench.config(trials=2, space=SPACE, warm_start=changed))


def test_a_sweep_that_began_cold_stays_so(bench: Bench, old: str) -> None:
    bench.run(bench.config(trials=1, space=SPACE))
    with pytest.raises(StudyError, match=r"warm_start: \[\] → \[old\]"):
        bench.run(bench.config(trials=2, space=SPACE, warm_start=old))


def test_a_source_that_is_missing_leaves_nothing_behind(bench: Bench) -> None:
    with pytest.raises(StudyError, match="warm_start 'old'"):
        bench.run(bench.config(warm_start="old"))
    assert not study_exists(bench.study_url, bench.name)


def test_two_sweeps_may_start_from_each_other(bench: Bench, old: str) -> None:
    first = bench.config(trials=2, space=SPACE, warm_start=old)
    bench.run(first)
    second = replace(bench, name=f"{bench.name}-2", engine=None)
    second.run(second.config(trials=1, space=SPACE, warm_start=[bench.name]))
    # What the first was started with is none of its own.
    assert len(kept_trials(second.study())) == 2
    assert bench.run(first.model_copy(update={"trials": 3})).warm_start


def test_the_trials_of_an_mlflow_experiment_come_in(bench: Bench, old: str) -> None:
    bench.run(bench.config(trials=2, space=SPACE))
    second = replace(bench, name=f"{bench.name}-2", engine=None)
    sources = [bench.name, f"mlflow:{bench.name}"]
    result = second.run(second.config(trials=1, space=SPACE, warm_start=sources))
    assert list(map(str, result.warm_start)) == [
        f"2 of 2 trials of '{bench.name}' came in",
        f"0 of 2 trials of the experiment '{bench.name}' came in; 2 were in another source too",
    ]


@pytest.mark.parametrize("name", ["grid", "random"])
def test_samplers_that_do_not_learn_run_as_ever(bench: Bench, old: str, name: str) -> None:
    space = {"learning_rate": {"choices": [1e-5, 5e-5]}, "batch_size": {"choices": [8]}}
    config = bench.config(trials=2, space=space, sampler={"name": name}, warm_start=old)
    result = bench.run(config)
    assert len(result.trials) == 2
    (line,) = map(str, result.warm_start)
    assert "0 of 30 trials" in line or line.endswith(f"the sampler {name} does not learn from them")
