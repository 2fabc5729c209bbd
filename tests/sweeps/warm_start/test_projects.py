"""KerasTuner projects as sources, in the files that KerasTuner writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from earlier_work import lines, make_project, read, sweep

from finesweep.errors import StudyError

URL = "sqlite:////nowhere/optuna.db"


def started(folder: Path, **changes: Any) -> Any:
    return read(sweep(warm_start=[str(folder)], **changes), URL)


def test_completed_trials_come_in(tmp_path: Path) -> None:
    folder = make_project(
        tmp_path / "p",
        [
            {"learning_rate": 3e-5, "batch_size": 8, "units": 64, "score": 0.9},
            {"learning_rate": 3e-5, "batch_size": 64, "score": 0.9},
            {"learning_rate": 3e-5, "score": 0.9},
            {"learning_rate": 3e-5, "batch_size": 8, "status": "FAILED"},
            {"learning_rate": 3e-5, "batch_size": 8, "status": "INVALID"},
            {"learning_rate": 3e-5, "batch_size": 8, "status": "RUNNING"},
            {"learning_rate": 3e-5, "batch_size": 8},
        ],
    )
    (folder / "trial_7").mkdir()
    (folder / "trial_7" / "trial.json").write_text('{"trial_id": "7", "hyperpar')
    warm = started(folder)
    (trial,) = warm.trials
    assert trial.values == {"learning_rate": 3e-5, "batch_size": 8}
    assert (trial.value, trial.others) == (0.9, {"units": 64})
    assert lines(warm) == [
        f"1 of 8 trials of the KerasTuner project {folder} came in; 2 had failed, 1 had a "
        "batch_size that is no choice now, 1 had no batch_size, 1 had not ended, 1 had no "
        "val/accuracy, 1 could not be read"
    ]


def test_the_value_is_the_best_mean_of_a_step(tmp_path: Path) -> None:
    folder = make_project(
        tmp_path / "p",
        [{"learning_rate": 3e-5, "batch_size": 8, "score": 0.5}],
        metric="val_loss",
        direction="min",
    )
    file = folder / "trial_0" / "trial.json"
    observed = '[{"value": [0.4, 0.6], "step": 0}, {"value": [0.2, 0.4], "step": 1}]'
    file.write_text(file.read_text().replace('[{"value": [0.5], "step": 1}]', observed))
    experiment = {"name": "e", "data": {"path": "x.json"}, "metric": "val/loss"}
    assert started(folder, experiment=experiment).trials[0].value == pytest.approx(0.3)


def test_epochs_that_hyperband_gave_are_epochs(tmp_path: Path) -> None:
    values = {"learning_rate": 3e-5, "batch_size": 8, "score": 0.9}
    trials = [{**values, "tuner/epochs": 2}, {**values, "tuner/epochs": 4}]
    folder = make_project(tmp_path / "p", trials)
    assert lines(started(folder))[0].endswith("came in; 1 had epochs other than the fixed 2")
    rate = {"learning_rate": {"low": 1e-5, "high": 1e-4}, "batch_size": 8}
    space = {**rate, "epochs": {"low": 1, "high": 4}}
    assert [t.values["epochs"] for t in started(folder, space=space).trials] == [2, 4]


@pytest.mark.parametrize(
    ("metric", "direction", "why"),
    [
        ("val_auc", "max", "were measured by val_auc, this sweep's metric is val/accuracy"),
        ("val_accuracy", "min", "goes by the min of val/accuracy, this sweep by the max"),
    ],
)
def test_a_project_that_was_measured_otherwise_is_refused(
    tmp_path: Path, metric: str, direction: str, why: str
) -> None:
    trials = [{"learning_rate": 3e-5, "batch_size": 8, "score": 0.9}]
    folder = make_project(tmp_path / "p", trials, metric=metric, direction=direction)
    with pytest.raises(StudyError, match=why):
        started(folder)


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    looked_for = r"expected a KerasTuner project \(oracle.json and trial_\*/trial.json\) in "
    with pytest.raises(StudyError, match=rf"{looked_for}.*/none, found no such folder"):
        started(tmp_path / "none")
    with pytest.raises(StudyError, match="found another folder"):
        started(tmp_path)
    make_project(tmp_path / "dir" / "b", [])
    make_project(tmp_path / "dir" / "a", [])
    with pytest.raises(StudyError, match="found a folder of the projects a, b"):
        started(tmp_path / "dir")
    (tmp_path / "x.db").touch()
    with pytest.raises(StudyError, match=r"an Optuna storage is written as sqlite:////.*/x\.db"):
        started(tmp_path / "x.db")


def test_odd_files_do_no_harm(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p", [])
    odd = [
        "[]",
        "{}",
        '{"metrics": 3, "status": "COMPLETED"}',
        '{"status": "COMPLETED", "hyperparameters": {"values": {"a": 1}, "space": [3, {"config": '
        '{"name": "a", "conditions": [{"config": {}}]}}]}}',
        '{"status": "COMPLETED", "metrics": {"metrics": {"val_accuracy": '
        '{"observations": [{"value": ["x"]}]}}}}',
        '{"status": "COMPLETED", "metrics": {"metrics": {"val_accuracy": '
        '{"observations": [{"value": [NaN]}]}}}}',
    ]
    for number, text in enumerate(odd):
        (folder / f"trial_{number}").mkdir()
        (folder / f"trial_{number}" / "trial.json").write_text(text)
    assert lines(started(folder))[0].startswith("0 of 6 trials")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_kerastuners_own_files_and_names_are_understood(tmp_path: Path) -> None:
    import keras_tuner

    from finesweep.keras_tuner.suggesting import trial_name

    hp = keras_tuner.HyperParameters()
    hp.Float("learning_rate", 1e-5, 1e-4, sampling="log")
    hp.Int("batch_size", 8, 16, step=8)
    hp.Choice("kind", ["cnn", "mlp"])
    with hp.conditional_scope("kind", ["cnn"]):
        hp.Int("filters", 8, 64)
    with hp.conditional_scope("kind", ["mlp"]):
        hp.Int("units", 8, 64)
    hp.Float("momentum", 0.1, 0.9, sampling="reverse_log")
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective("val_accuracy", "max"),
        max_trials=16,
        seed=1,
        hyperparameters=hp,
    )
    oracle._set_project_dir(str(tmp_path), "p")
    made: dict[str, Any] = {}
    for number in range(16):
        trial = oracle.create_trial("tuner")
        oracle.update_trial(trial.trial_id, {"val_accuracy": number / 20}, step=0)
        made[f"trial_{trial.trial_id}"] = trial.hyperparameters
        trial.status = "COMPLETED"
        oracle.end_trial(trial)

    warm = started(tmp_path / "p")
    assert [trial.value for trial in warm.trials] == [number / 20 for number in range(16)]
    seen = set()
    for trial in warm.trials:
        hps = made[trial.name.partition(" ")[0]]
        conditional = next(one for one in hps.space if one.conditions and hps.is_active(one))
        assert trial.others[trial_name(conditional)] == hps.values[conditional.name]
        seen.add(trial_name(conditional))
        # Between which bounds it is mirrored is the new study's affair.
        assert trial.others["momentum (reverse_log)"] == hps.values["momentum"]
    assert seen == {"filters [kind=cnn]", "units [kind=mlp]"}
