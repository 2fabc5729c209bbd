from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from finesweep.cli.commands.ui import _sweeps_there_are


def test_single_trainings_need_no_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _sweeps_there_are(f"sqlite:///{tmp_path}/optuna.db") == []
    assert capsys.readouterr().err.startswith("no sweep to link to: there is no study database")


def test_studies_of_something_else_are_passed_over(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    optuna.create_study(storage=url, study_name="foreign")
    assert _sweeps_there_are(url) == []
