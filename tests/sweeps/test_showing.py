from __future__ import annotations

import subprocess
import sys

import pytest
from sweep_bench import Bench

from finesweep.errors import StudyError
from finesweep.sweeps import StudySummary, list_studies, load_result
from finesweep.sweeps.study import open_study

LIGHT = """
import sys
import finesweep.sweeps
heavy = {"optuna", "mlflow", "tensorflow", "keras", "sqlalchemy", "numpy", "pandas"}
print(sorted(heavy & set(sys.modules)))
"""


def test_studies_are_listed(bench: Bench) -> None:
    result = bench.run(bench.config(trials=2))
    assert result.best is not None
    foreign = open_study(bench.study_url, "foreign", direction="minimize")
    foreign.ask()
    mine, other = list_studies(bench.study_url)
    assert mine == StudySummary(
        name=bench.name,
        total=2,
        done=2,
        running=0,
        best_value=result.best.metrics["val/accuracy"],
        metric="val/accuracy",
    )
    assert other == StudySummary(
        name="foreign", total=None, done=0, running=1, best_value=None, metric=None
    )


def test_a_study_of_something_else_cannot_be_shown(bench: Bench) -> None:
    open_study(bench.study_url, "foreign", direction="minimize")
    with pytest.raises(StudyError, match="'foreign' was not made by finesweep"):
        load_result(bench.study_url, "foreign")


def test_a_sweep_that_is_not_there_cannot_be_shown(bench: Bench) -> None:
    bench.run(bench.config(trials=1))
    with pytest.raises(StudyError, match=f"no sweep 'nobody' in .*; it has {bench.name}"):
        load_result(bench.study_url, "nobody")


def test_importing_the_room_is_light() -> None:
    found = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
