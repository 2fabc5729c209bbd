"""A KerasTuner script of which one line was changed, run as a user runs it."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

import finesweep

SOURCES = str(Path(finesweep.__file__).parents[1])
SUPPORT = Path(__file__).parent / "support"
SCRIPT = SUPPORT / "getting_started.py"
FUNCTION = SUPPORT / "epochs.py"

pytestmark = pytest.mark.slow


def run(script: Path = SCRIPT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_script_runs_with_one_line_changed(
    place: Path,
    find_runs: Callable[[], list[Any]],
    load_trials: Callable[[], list[optuna.trial.FrozenTrial]],
) -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    assert "Search space summary" in done.stdout
    assert "Score: " in done.stdout
    modules = (place / "modules.txt").read_text().split("\n")
    assert not [name for name in modules if name.split(".")[0] == "tensorboard"]
    trials = load_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    search, *children = find_runs()
    assert (search.info.run_name, search.info.status) == ("toy", "FINISHED")
    best = max(trial.value for trial in trials if trial.value is not None)
    assert search.data.metrics["best/val_accuracy"] == pytest.approx(best)
    assert [child.info.run_name for child in children] == ["t000", "t001", "t002"]
    for child, trial in zip(children, trials, strict=True):
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == search.info.run_id
        assert child.data.params == {name: str(value) for name, value in trial.params.items()}
        assert child.data.metrics["best/val_accuracy"] == pytest.approx(trial.value)
        assert Path(child.data.tags["finesweep.checkpoint"]).exists()
    # Another process finds the same models.
    again = runpy.run_path(str(SCRIPT))
    assert len(load_trials()) == 3
    predictions = again["models"][0].predict(again["x_val"], verbose=0)
    np.testing.assert_allclose(predictions, np.load("predictions.npy"), atol=1e-6)


def check(
    tuned: dict[str, Any], trials: list[optuna.trial.FrozenTrial], runs: list[Any]
) -> list[optuna.trial.FrozenTrial]:
    """Three trials are complete, everywhere and with the same values; returns them."""
    assert [trial.status for trial in tuned.values()] == ["COMPLETED"] * 3
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert [trial.user_attrs["keras_tuner_trial"] for trial in complete] == ["0", "1", "2"]
    # What was running is tried again with its values, and with nothing else.
    assert all(trial.state == TrialState.FAIL for trial in trials if trial not in complete)
    for trial in complete:
        known = tuned[trial.user_attrs["keras_tuner_trial"]]
        assert trial.params == known.hyperparameters.values
        assert trial.value == pytest.approx(known.score)
    statuses = {run.data.tags.get("finesweep.trial"): run.info.status for run in runs}
    assert "RUNNING" not in statuses.values()
    assert [statuses[str(trial.number)] for trial in complete] == ["FINISHED"] * 3
    return complete


def test_a_killed_script_goes_on(
    find_runs: Callable[[], list[Any]], load_trials: Callable[[], list[optuna.trial.FrozenTrial]]
) -> None:
    # In the second epoch of the second trial.
    killed = run(DIE="after 4 tuner:Tuner on_epoch_end")
    assert killed.returncode == -9, killed.stderr
    before = load_trials()
    again = runpy.run_path(str(SCRIPT))
    trials = load_trials()
    check(again["tuner"].oracle.trials, trials, find_runs())
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[0] == before[0]
    assert trials[1].params == trials[2].params == before[1].params
    assert again["models"][0].predict(again["x_val"], verbose=0).shape == (16, 2)


@pytest.mark.parametrize(
    ("where", "attempts"),
    [
        # In the first trial, before anything else is on record.
        ("after 1 tuner:Tuner on_epoch_end", 4),
        # The sampler has proposed, and KerasTuner knows of no trial yet.
        ("before 3 oracle:StudyOracle _record_values", 4),
        # KerasTuner has the metrics of the second trial, and not yet that it ended.
        ("after 5 oracle:StudyOracle _save_trial", 4),
        # KerasTuner has the second trial on record; its oracle, MLflow and the study have not.
        ("after 6 oracle:StudyOracle _save_trial", 3),
        # MLflow knows the end, the study does not.
        ("after 2 search_log:SearchLog conclude", 3),
    ],
)
def test_a_search_that_is_killed_anywhere_goes_on(
    where: str,
    attempts: int,
    find_runs: Callable[[], list[Any]],
    load_trials: Callable[[], list[optuna.trial.FrozenTrial]],
) -> None:
    killed = run(FUNCTION, DIE=where)
    assert killed.returncode == -9, killed.stderr
    before = load_trials()
    again = runpy.run_path(str(FUNCTION))
    trials = load_trials()
    complete = check(again["tuner"].oracle.trials, trials, find_runs())
    assert len(trials) == attempts
    assert all(list(trial.intermediate_values) == [1, 2] for trial in complete)
    assert [trial.params for trial in trials[: len(before)]] == [trial.params for trial in before]


def test_the_run_of_a_killed_attempt_is_ended_though_mlflow_was_away_at_the_restart(
    find_runs: Callable[[], list[Any]],
    load_trials: Callable[[], list[optuna.trial.FrozenTrial]],
    monkeypatch: pytest.MonkeyPatch,
    nobody: str,
) -> None:
    killed = run(FUNCTION, DIE="after 1 tuner:Tuner on_epoch_end")
    assert killed.returncode == -9, killed.stderr
    assert [run.info.status for run in find_runs()] == ["RUNNING", "RUNNING"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nobody)
    with pytest.warns(RuntimeWarning, match="goes on without"):
        runpy.run_path(str(FUNCTION))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    again = runpy.run_path(str(FUNCTION))
    check(again["tuner"].oracle.trials, load_trials(), find_runs())
