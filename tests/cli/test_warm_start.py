"""What came into a sweep of earlier work, as the commands tell it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finesweep.cli.main import main
from finesweep.config import SweepConfig, to_plain
from finesweep.sweeps.study import CONFIG, open_study
from finesweep.sweeps.warm_start.keeping import WarmStart, keep
from finesweep.sweeps.warm_start.report import SourceReport

STUDIES = "sqlite:///mlruns/optuna.db"
REPORT = SourceReport(source="'old'", found=24, came_in=22, dropped={"had failed": 2})
LINE = "22 of 24 trials of 'old' came in; 2 had failed"

SWEEP = """\
name: new
experiment:
  name: tiny
  data: {path: rows.json, split: {by: fraction, validation: 0.2}}
  model: {checkpoint: ./checkpoint}
  epochs: 2
  max_length: 16
space:
  learning_rate: {low: 1.0e-5, high: 1.0e-4, log: true}
  batch_size: {choices: [8, 16]}
"""


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINESWEEP_CACHE", str(tmp_path / "cache"))
    for name in ("FINESWEEP_STUDY", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def warm() -> None:
    """A sweep that was warm-started, and has no trial yet."""
    values: dict[str, Any] = {
        "name": "new",
        "experiment": {"name": "e", "data": {"path": "x.json"}},
        "space": {"epochs": {"low": 1, "high": 3}},
        "warm_start": "old",
    }
    plain = to_plain(SweepConfig.model_validate(values))
    plain["experiment"]["data"]["digest"] = "d1"
    study = open_study(STUDIES, "new", direction="maximize")
    study.set_user_attr(CONFIG, plain)
    keep(study, WarmStart(reports=(REPORT,)))


@pytest.mark.usefixtures("warm")
def test_show_and_status_tell_what_came_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "new") == 0
    assert f"warm start: {LINE}" in capsys.readouterr().out.splitlines()
    assert run("show", "new", "--json") == 0
    assert json.loads(capsys.readouterr().out)["warm_start"][0]["came_in"] == 22
    assert run("status", "--all", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["warm_start"][0]["dropped"] == {"had failed": 2}


@pytest.fixture
def place(tmp_path: Path, tiny_checkpoint: Path) -> Path:
    """A sweep to plan, and a KerasTuner project with three trials beside it."""
    (tmp_path / "checkpoint").symlink_to(tiny_checkpoint)
    rows = [{"text": f"text {n}", "label": ("good", "bad")[n % 2]} for n in range(60)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "sweep.yaml").write_text(SWEEP + "warm_start: ./tuned\n")
    for number, size in enumerate([8, 16, 64]):
        folder = tmp_path / "tuned" / f"trial_{number}"
        folder.mkdir(parents=True)
        observed = {"direction": "max", "observations": [{"value": [0.9], "step": 0}]}
        state = {
            "hyperparameters": {"space": [], "values": {"learning_rate": 5e-5, "batch_size": size}},
            "metrics": {"metrics": {"val_accuracy": observed}},
            "status": "COMPLETED",
        }
        (folder / "trial.json").write_text(json.dumps(state))
    (tmp_path / "tuned" / "oracle.json").write_text("{}")
    return tmp_path


def test_a_plan_tells_what_would_come_in_and_writes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("run", "sweep.yaml", "--plan") == 0
    told = capsys.readouterr().out
    assert (
        f"# warm start: 2 of 3 trials of the KerasTuner project {place}/tuned came in; "
        "1 had a batch_size that is no choice now\n"
    ) in told
    assert run("run", "sweep.yaml", "--plan", "--json") == 0
    (report,) = json.loads(capsys.readouterr().out)["warm_start"]
    assert (report["found"], report["came_in"]) == (3, 2)
    assert not (place / "mlruns").exists()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("old", "there is no study database /"),
        ("./nothing", "expected a KerasTuner project"),
        ("sqlite:///no.db", "expected a database of Optuna's studies, found none in no.db"),
        ("mlflow:nothing", "there is no tracking store in"),
        ("new", "expected the name of another sweep"),
    ],
)
def test_a_source_that_is_not_there_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], source: str, complaint: str
) -> None:
    assert run("run", "sweep.yaml", "--plan", "--set", f"warm_start={source}") == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error: " in line)
    assert complaint in line
    assert not (place / "mlruns").exists()
