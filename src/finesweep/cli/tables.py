"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from finesweep.registry import Predictions, RegisteredVersion, StageChange
    from finesweep.sweeps.result import StudySummary, SweepResult, TrialSummary

SHOWN_METRICS = ("val/accuracy", "val/f1", "val/loss")


def trials_table(result: SweepResult) -> Table:
    """One row a trial; the best is marked."""
    table = _table("", "trial", "state", "learning rate", "batch", "epochs", "max length")
    for name in (*SHOWN_METRICS, "examples/s", "seconds"):
        table.add_column(name, justify="right")
    for trial in result.trials:
        best = result.best is not None and trial.number == result.best.number
        table.add_row("*" if best else "", *_trial_cells(trial), style="bold" if best else None)
    return table


def _trial_cells(trial: TrialSummary) -> list[str]:
    values = trial.hyperparameters
    return [
        f"t{trial.number:03d}",
        trial.state,
        f"{values.learning_rate:.3g}",
        str(values.batch_size),
        str(values.epochs),
        str(values.max_length),
        *(_number(trial.metrics.get(name), ".4f") for name in SHOWN_METRICS),
        _number(trial.metrics.get("examples_per_second"), ".0f"),
        _number(trial.seconds, ".0f"),
    ]


def versions_table(versions: Iterable[RegisteredVersion]) -> Table:
    """One row a version of a registered model."""
    table = _table("model", "version", "stage", "aliases", "sweep", "trial", "run")
    for version in versions:
        table.add_row(
            version.name,
            str(version.version),
            version.stage,
            ", ".join(version.aliases),
            version.tags.get("finesweep.sweep", ""),
            version.tags.get("finesweep.trial", ""),
            version.run_id,
        )
    return table


def history_table(changes: Iterable[StageChange]) -> Table:
    """One row a move of a version to a stage."""
    table = _table("at (UTC)", "version", "stage", "by")
    for change in changes:
        table.add_row(
            f"{change.at:%Y-%m-%d %H:%M:%S}", str(change.version), change.stage, change.by
        )
    return table


def studies_table(studies: Iterable[StudySummary]) -> Table:
    """One row a sweep of the study database."""
    table = _table("sweep", "trials", "running", "best", "metric")
    for study in studies:
        total = "?" if study.total is None else str(study.total)
        best = _number(study.best_value, ".4f")
        table.add_row(
            study.name, f"{study.done} of {total}", str(study.running), best, study.metric or ""
        )
    return table


def predictions_table(texts: Iterable[str], predictions: Predictions) -> Table:
    """One row a text: its label, the score, and the probability of each class."""
    table = _table("text", "label", "score")
    for name in predictions.class_names:
        table.add_column(name, justify="right")
    table.columns[0].overflow = "fold"
    for text, label, score, row in zip(
        texts, predictions.labels, predictions.scores, predictions.probabilities, strict=True
    ):
        table.add_row(text, label, f"{score:.4f}", *(f"{value:.4f}" for value in row))
    return table


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _number(value: Any, form: str) -> str:
    return "" if value is None else format(value, form)
