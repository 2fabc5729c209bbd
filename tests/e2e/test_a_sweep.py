"""One sweep from its file to a registered model, and what is on record of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run
from workplace import Said, Swept

NEVER_IMPORTED_FINESWEEP = """
import sys, mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
assert "finesweep" not in sys.modules
model = mlflow.pyfunc.load_model("models:/tiny/Staging")
print(model.predict(pandas.DataFrame({"text": ["great sun", "bad storm"]})).to_json())
"""


def client(swept: Swept) -> Any:
    return mlflow.MlflowClient(tracking_uri=uri(swept))


def uri(swept: Swept) -> str:
    return f"sqlite:///{swept.workplace.directory / 'mlruns' / 'mlflow.db'}"


@pytest.fixture(scope="module")
def again(swept: Swept) -> Said:
    return swept.workplace.run("run", "sweep.yaml", "--json")


@pytest.fixture(scope="module")
def parent(swept: Swept, again: Said) -> Run:
    return client(swept).get_run(again.json["run_id"])


@pytest.fixture(scope="module")
def trials(swept: Swept, parent: Run) -> dict[str, Run]:
    runs = client(swept).search_runs(
        [parent.info.experiment_id],
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
    )
    return {run.info.run_name: run for run in runs}


def test_the_result_is_on_standard_output_and_the_progress_is_not(swept: Swept) -> None:
    said = swept.said
    rows = [line.split() for line in said.out.splitlines()]
    states = {row[row.index(name) + 1] for row in rows for name in ("t001", "t002") if name in row}
    assert states == {"diverged", "pruned"}
    assert [row[1] for row in rows if row[:1] == ["*"]] in (["t000"], ["t003"])
    assert "models:/tiny/Staging" in said.out
    assert " ui small\n" in said.out
    assert "http://127.0.0.1:5000/#/experiments/" in said.out
    assert "test/accuracy" in said.out
    assert "started" not in said.out


def test_a_log_tells_each_tick_without_a_terminal_s_codes(swept: Swept) -> None:
    assert "t000 tick 16/16  val/loss" in swept.said.err
    assert "loading TensorFlow takes some seconds" in swept.said.err
    assert "t002 pruned" in swept.said.err
    assert "\x1b" not in swept.said.err + swept.said.out
    assert "\n\n" not in swept.said.err


def test_nothing_of_tensorflow_s_noise_is_shown(swept: Swept) -> None:
    told = swept.said.err.splitlines()
    known = ("t00", "looking for", "opening", "a worker", "worker 0 is ready", "all 4")
    assert [line for line in told if not line.startswith(known)] == []


def test_run_again_runs_nothing_and_prints_one_json_object(again: Said, swept: Swept) -> None:
    result = again.json
    assert again.code == 0
    assert "started" not in again.err
    assert [trial["state"] for trial in result["trials"]] == [
        "completed",
        "diverged",
        "pruned",
        "completed",
    ]
    assert result["registered"] == {"name": "tiny", "version": 1, "stage": "Staging"}
    assert result["best"]["number"] in (0, 3)
    assert set(result["test_metrics"]) == {"test/loss", "test/accuracy", "test/f1"}
    assert "NaN" not in again.out


def test_the_sweep_is_a_run_with_its_configuration_and_its_data(swept: Swept, parent: Run) -> None:
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "small"
    assert parent.data.params["pruner"] == "median"
    assert parent.data.tags["finesweep.registered"] == "tiny version 1"
    (dataset,) = parent.inputs.dataset_inputs
    assert dataset.dataset.name == "tiny"
    assert "some rows.json" in dataset.dataset.source
    text = Path(client(swept).download_artifacts(parent.info.run_id, "sweep.yaml")).read_text()
    assert "n_startup_trials: 1" in text


def test_each_trial_is_a_child_run_with_its_state(trials: dict[str, Run]) -> None:
    assert {name: run.info.status for name, run in trials.items()} == {
        "t000": "FINISHED",
        "t001": "FAILED",
        "t002": "KILLED",
        "t003": "FINISHED",
    }
    assert trials["t001"].data.tags["finesweep.reason"].startswith("diverged: the ")
    assert "worse than the median" in trials["t002"].data.tags["finesweep.reason"]
    assert trials["t000"].data.params == {
        "learning_rate": "0.01",
        "batch_size": "8",
        "epochs": "4",
        "max_length": "16",
    }
    assert trials["t003"].data.tags["finesweep.trial"] == "3"


def test_a_trial_has_a_point_of_each_curve_at_each_tick(
    swept: Swept, trials: dict[str, Run]
) -> None:
    for metric in ("train/loss", "val/loss", "val/accuracy", "val/f1", "examples_per_second"):
        history = client(swept).get_metric_history(trials["t000"].info.run_id, metric)
        assert [point.step for point in history] == list(range(1, 17)), metric
    pruned = client(swept).get_metric_history(trials["t002"].info.run_id, "val/loss")
    assert 4 <= len(pruned) < 16


def test_a_checkpoint_is_stored_once_with_its_run(swept: Swept, trials: dict[str, Run]) -> None:
    files = list(swept.workplace.directory.rglob("mlruns/**/model.safetensors"))
    owners = {file.parents[4].name for file in files}
    assert owners == {trials["t000"].info.run_id, trials["t003"].info.run_id}
    assert len(files) == 2
    assert list(swept.workplace.directory.glob("mlruns/work/small/trial-*")) == []


def test_transformers_reads_a_trial_s_checkpoint(swept: Swept, trials: dict[str, Run]) -> None:
    from transformers import AutoConfig, AutoTokenizer

    (file,) = swept.workplace.directory.rglob(f"{trials['t000'].info.run_id}/**/model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(file.parent)
    tokens = tokenizer("a great day", padding=True, return_tensors="np")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(tokens[0]) == ["[CLS]", "a", "great", "day", "[SEP]"]
    assert AutoConfig.from_pretrained(file.parent).id2label == {0: "bad", 1: "good"}


def test_plain_mlflow_loads_the_model_by_its_stage(swept: Swept, tmp_path: Path) -> None:
    environment = {**swept.workplace.environment, "MLFLOW_LOGGING_LEVEL": "ERROR"}
    told = subprocess.run(
        [sys.executable, "-c", NEVER_IMPORTED_FINESWEEP, uri(swept)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    columns = ("text", "label", "score", "probability_bad", "probability_good")
    assert all(f'"{column}"' in told.stdout for column in columns[1:])


def test_list_and_show_tell_what_the_study_knows(swept: Swept, again: Said) -> None:
    listed = swept.workplace.run("list", "--json").json
    assert [(study["name"], study["done"], study["total"]) for study in listed] == [("small", 4, 4)]
    assert swept.workplace.run("show", "small", "--json").json == again.json
    shown = swept.workplace.run("show", "small")
    assert "all 4 trials are done" in shown.out


def test_another_configuration_is_refused_with_the_differences(swept: Swept) -> None:
    said = swept.workplace.run("run", "sweep.yaml", "--set", "pruner.name=none")
    assert said.code == 2
    assert "was started with another configuration" in said.err
    assert "pruner.name: " in said.err
    assert "start another sweep with --new NAME" in said.err


def test_a_reader_who_has_seen_enough_is_no_error(swept: Swept) -> None:
    process = swept.workplace.start("show", "small")
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


def test_more_trials_go_on_to_the_new_total(swept: Swept) -> None:
    """Runs last: it adds to the sweep that the other tests look at."""
    said = swept.workplace.run("run", "sweep.yaml", "--trials", "5", "--json")
    assert said.code == 0, said.err
    assert "going on: 4 of 5 trials are done" in said.err
    assert len(said.json["trials"]) == 5
    assert said.json["trials"][4]["state"] in ("completed", "pruned", "diverged")
