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
    assert _states(workplace) == {"preempted": 1}
    err = _stopped(workplace, lambda line: line.startswith("t001 tick 6/"), signal.SIGINT)
    assert "stopped by the user: trials keep a resume point at their next tick and stop" in err
    assert _states(workplace) == {"interrupted": 1, "completed": 1}

    said = workplace.run("run", "sweep.yaml", *LONG, "--json")
    assert said.code == 0, said.err
    assert "going on: 1 of 3 trials are done" in said.err
    # Where the stopped one was: no tick before is run again.
    assert not [line for line in said.err.splitlines() if line.startswith("t001 tick 6/")]
    assert _states(workplace) == {"completed": 3}
    assert said.json["stopped_by"] == "all 3 trials are done"
    assert [trial["attempts"] for trial in said.json["trials"]] == [2, 2, 1]
    _compare_with_mlflow(workplace, said.json["run_id"])


def _stopped(workplace: Workplace, said: Callable[[str], bool], number: signal.Signals) -> str:
    """Stop the sweep; it says so in one line, and leaves nothing running and nothing half done."""
    process = workplace.start("run", "sweep.yaml", *LONG)
    out, err = stop_when(process, said, number)
    assert process.returncode == 130, err
    assert out == ""
    expected = "the sweep 'small' was interrupted; the same command goes on with it"
    assert err.splitlines()[-1] == expected
    assert "Traceback" not in err
    assert workplace.left_processes() == []
    return err


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
    assert Counter(run.info.status for run in children) == {"FINISHED": 3}
    for run in children:
        history = client.get_metric_history(run.info.run_id, "val/loss")
        assert [point.step for point in history] == list(range(1, 49))
