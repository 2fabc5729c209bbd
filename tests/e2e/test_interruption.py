"""A sweep that is stopped, in several ways, and the same command that goes on with it."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable

import mlflow
import pytest
from workplace import Workplace, stop_when

# Trials of some seconds, so that there is a time to stop in.
LONG = (
    "--set",
    "space={learning_rate: {choices: [0.01, 0.001]}}",
    "--set",
    "enqueue=[]",
    "--set",
    "experiment.epochs=12",
    "--set",
    "pruner.name=none",
    "--trials",
    "3",
)


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_to_its_exact_total(workplace: Workplace) -> None:
    _stopped(workplace, lambda line: "loading TensorFlow" in line, signal.SIGTERM)
    assert _states(workplace) == {"interrupted": 1}
    _stopped(workplace, lambda line: line.startswith("t002 tick"), signal.SIGINT)
    assert _states(workplace) == {"interrupted": 2, "complete": 1}

    said = workplace.run("run", "sweep.yaml", *LONG, "--json")
    assert said.code == 0, said.err
    assert "going on: 1 of 3 trials are done" in said.err
    assert _states(workplace) == {"interrupted": 2, "complete": 3}
    assert said.json["stopped_by"] == "all 3 trials are done"
    _compare_with_mlflow(workplace, said.json["run_id"])


def _stopped(workplace: Workplace, said: Callable[[str], bool], number: signal.Signals) -> None:
    """Stop the sweep; it says so in one line, and leaves nothing running and nothing half done."""
    process = workplace.start("run", "sweep.yaml", *LONG)
    out, err = stop_when(process, said, number)
    assert process.returncode == 130, err
    assert out == ""
    expected = "the sweep 'small' was interrupted; the same command goes on with it"
    assert err.splitlines()[-1] == expected
    assert "Traceback" not in err
    assert workplace.left_processes() == []


def _states(workplace: Workplace) -> Counter[str]:
    trials = workplace.run("show", "small", "--json").json["trials"]
    return Counter(trial["state"] for trial in trials)


def _compare_with_mlflow(workplace: Workplace, run_id: str) -> None:
    store = workplace.directory / "mlruns" / "mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{store}")
    parent = client.get_run(run_id)
    assert parent.info.status == "FINISHED"
    runs = client.search_runs([parent.info.experiment_id])
    children = [run for run in runs if run.info.run_id != run_id]
    states = Counter(run.info.status for run in children)
    assert states == {"FINISHED": 3, "KILLED": 2}
    reasons = [run.data.tags.get("finesweep.reason") for run in children]
    assert sum(reason is not None and "stopped by the user" in reason for reason in reasons) == 2
