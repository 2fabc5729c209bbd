"""What a sweep that was killed again and again has come to, read from its two databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import optuna
from optuna.trial import FrozenTrial, TrialState

MATCHING = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}
TICKS_PER_EPOCH = 4


@dataclass(frozen=True, kw_only=True)
class Audit:
    """How many trials a sweep had, and everything that must be zero.

    ``lost`` trials of the total did not end; ``double`` ones are more than the total, or trials
    with a second run; ``mismatched`` runs did not end as their trial did, or do not know it;
    ``repeated`` are steps that stand twice in a curve, ``missing`` those that are not in it;
    ``over_limit`` are models and files beyond what the sweep may keep, ``without_model`` are trials
    that keep their model and have none.
    """

    trials: int = 0
    failed: int = 0
    lost: int = 0
    double: int = 0
    mismatched: int = 0
    repeated: int = 0
    missing: int = 0
    over_limit: int = 0
    without_model: int = 0

    def __add__(self, other: Audit) -> Audit:
        return Audit(
            **{
                field.name: getattr(self, field.name) + getattr(other, field.name)
                for field in fields(self)
            }
        )

    @property
    def is_clean(self) -> bool:
        """Whether everything that must be zero is."""
        wrong = [field.name for field in fields(self) if field.name != "trials"]
        return not any(getattr(self, name) for name in wrong)


def audit(
    folder: Path,
    name: str,
    *,
    total: int,
    keep: int,
    disk_limit: int,
    served: Path | None = None,
) -> Audit:
    """Compare the study of a sweep that has come to its end with MLflow and with the disk.

    ``served`` is the folder of a tracking server, if the sweep was tracked by one: ``mlflow.db``,
    and ``artifacts`` beside it.
    """
    storage = f"sqlite:///{folder}/mlruns/optuna.db"
    study = optuna.load_study(study_name=name, storage=storage)
    kept_by = served or folder / "mlruns"
    client = mlflow.MlflowClient(f"sqlite:///{kept_by}/mlflow.db")
    parent = study.user_attrs["run_id"]
    runs = _children(client, parent)
    trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state.is_finished()]
    runs_of = Counter(run.data.tags["finesweep.trial"] for run in runs)
    by_id = {run.info.run_id: run for run in runs}
    models = {
        run.info.run_id: _folder(run.info.artifact_uri, kept_by / "artifacts") / "model"
        for run in runs
    }
    repeated, missing = 0, 0
    for trial in ended:
        run = by_id.get(trial.user_attrs.get("run_id", ""))
        if run is not None:
            twice, gaps = _curve(client, run.info.run_id, trial)
            repeated, missing = repeated + twice, missing + gaps
    return Audit(
        trials=len(ended),
        failed=sum(trial.state == TrialState.FAIL for trial in ended),
        lost=max(0, total - len(ended)),
        double=max(0, len(trials) - total) + sum(count - 1 for count in runs_of.values()),
        mismatched=sum(not _matches(trial, by_id) for trial in trials)
        + (client.get_run(parent).info.status != "FINISHED"),
        repeated=repeated,
        missing=missing,
        over_limit=_over_limit(
            folder / "mlruns" / "work" / name, models.values(), keep=keep, disk_limit=disk_limit
        ),
        without_model=sum(
            not (models[trials[int(number)].user_attrs["run_id"]] / "MLmodel").exists()
            for number in study.user_attrs["kept"]
        ),
    )


def _children(client: Any, parent: str) -> list[Any]:
    experiment = client.get_run(parent).info.experiment_id
    query = f"tags.`mlflow.parentRunId` = '{parent}'"
    return list(client.search_runs([experiment], query, max_results=1000))


def _matches(trial: FrozenTrial, by_id: dict[str, Any]) -> bool:
    run = by_id.get(trial.user_attrs.get("run_id", ""))
    return (
        run is not None
        and run.info.status == MATCHING.get(trial.state)
        and run.data.tags["finesweep.trial"] == str(trial.number)
        and run.data.tags.get("finesweep.ending") == trial.user_attrs["record"]["ending"]
    )


def _curve(client: Any, run_id: str, trial: FrozenTrial) -> tuple[int, int]:
    """Steps that stand twice in the run's curve, and those the trial reported that do not."""
    steps = [point.step for point in client.get_metric_history(run_id, "val/accuracy")]
    expected = set(trial.intermediate_values)
    if trial.state == TrialState.COMPLETE:
        expected = set(range(1, trial.params["epochs"] * TICKS_PER_EPOCH + 1))
    return len(steps) - len(set(steps)), len(expected - set(steps))


def _folder(artifact_uri: str, artifacts: Path) -> Path:
    """Where the artifacts of a run are; a server that hands them out calls it something else."""
    parts = urlsplit(artifact_uri)
    return (
        artifacts / parts.path.lstrip("/")
        if parts.scheme == "mlflow-artifacts"
        else Path(artifact_uri)
    )


def _over_limit(work: Path, models: Iterable[Path], *, keep: int, disk_limit: int) -> int:
    """Models beyond those that may stay, files left of trials that have ended, bytes too many."""
    there = [model for model in models if model.exists()]
    size = sum(
        file.stat().st_size for model in there for file in model.rglob("*") if file.is_file()
    )
    left = [*work.glob("trial-*"), *work.glob("models/*"), *work.glob("selected")]
    return max(0, len(there) - keep) + len(left) + (size > disk_limit)
