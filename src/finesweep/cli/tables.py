"""Results as tables for people, no wider than the terminal they are read on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finesweep.cli.progress import in_words

if TYPE_CHECKING:
    from finesweep.registry import Predictions, RegisteredVersion, StageChange
    from finesweep.sweeps.result import StudySummary, SweepResult, TrialSummary

METRIC_TAG = "finesweep.metric."
FOUR = ("learning_rate", "batch_size", "epochs", "max_length")
_LEAST_TEXT = 24  # characters of a text that should stand in one line

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Column(Generic[Row]):
    """A column and how its cells are made; where space lacks, the highest ``rank`` goes first."""

    heading: str
    cell: Callable[[Row], str]
    rank: int = 0
    number: bool = False


def trials_table(result: SweepResult, *, width: int) -> Table:
    """One row a trial; the best is marked."""
    best = None if result.best is None else result.best.number
    columns: list[Column[TrialSummary]] = [
        Column(heading="", cell=lambda trial: "*" if trial.number == best else ""),
        Column(heading="trial", cell=lambda trial: f"t{trial.number:03d}"),
        Column(heading="state", cell=lambda trial: in_words(trial.state)),
        _hyperparameter("learning_rate", "learning\nrate", rank=1),
        _hyperparameter("batch_size", "batch\nsize", rank=3),
        _hyperparameter("epochs", "epochs", rank=4),
        _hyperparameter("max_length", "max\nlength", rank=5),
        *_drawn(result),
        _metric("val/accuracy", ".4f", rank=0),
        _metric("val/f1", ".4f", rank=6),
        _metric("val/loss", ".4f", rank=2),
        _metric("examples_per_second", ".0f", rank=8, heading="examples\na second"),
        Column(
            heading="seconds", cell=lambda trial: _shown(trial.seconds, ".0f"), rank=7, number=True
        ),
        *_attempts(result),
    ]
    return _fitted(columns, result.trials, width=width, is_bold=lambda trial: trial.number == best)


def versions_table(versions: Sequence[RegisteredVersion], *, width: int) -> Table:
    """One row a version of a registered model."""
    columns: list[Column[RegisteredVersion]] = [
        Column(heading="model", cell=lambda version: version.name),
        Column(heading="version", cell=lambda version: str(version.version), number=True),
        Column(heading="stage", cell=lambda version: version.stage),
        Column(heading="aliases", cell=lambda version: ", ".join(version.aliases), rank=5),
        Column(heading="val/accuracy", cell=_version_accuracy, rank=2, number=True),
        Column(
            heading="sweep", cell=lambda version: version.tags.get("finesweep.sweep", ""), rank=3
        ),
        Column(heading="trial", cell=_version_trial, rank=4),
        Column(heading="run", cell=lambda version: version.run_id, rank=1),
    ]
    return _fitted(columns, versions, width=width)


def history_table(changes: Sequence[StageChange], *, width: int) -> Table:
    """One row a move of a version to a stage."""
    columns: list[Column[StageChange]] = [
        Column(heading="at (UTC)", cell=lambda change: f"{change.at:%Y-%m-%d %H:%M:%S}"),
        Column(heading="version", cell=lambda change: str(change.version), number=True),
        Column(heading="stage", cell=lambda change: change.stage),
        Column(heading="by", cell=lambda change: change.by, rank=1),
    ]
    return _fitted(columns, changes, width=width)


def studies_table(studies: Sequence[StudySummary], *, width: int) -> Table:
    """One row a sweep of the study database."""
    columns: list[Column[StudySummary]] = [
        Column(heading="sweep", cell=lambda study: study.name),
        Column(heading="trials", cell=_study_trials),
        Column(heading="running", cell=lambda study: str(study.running), rank=2, number=True),
        Column(heading="best", cell=lambda study: _shown(study.best_value, ".4f"), number=True),
        Column(heading="metric", cell=lambda study: study.metric or "", rank=1),
    ]
    return _fitted(columns, studies, width=width)


def predictions_table(texts: Sequence[str], predictions: Predictions, *, width: int) -> Table:
    """One row a text: its label, the score, and the probability of each class."""
    columns: list[Column[int]] = [
        Column(heading="label", cell=lambda row: predictions.labels[row]),
        Column(heading="score", cell=lambda row: f"{predictions.scores[row]:.4f}", number=True),
        *(
            Column(heading=name, cell=_probability(predictions, index), rank=1, number=True)
            for index, name in enumerate(predictions.class_names)
        ),
    ]
    longest = max(map(len, texts), default=0)
    room = width - min(longest, _LEAST_TEXT) - 2
    kept = _kept(columns, range(len(texts)), width=room)
    text: Column[int] = Column(heading="text", cell=lambda row: texts[row])
    return _table([text, *kept], range(len(texts)))


def _hyperparameter(name: str, heading: str, *, rank: int) -> Column[TrialSummary]:
    def cell(trial: TrialSummary) -> str:
        # A hypermodel says which of the four it uses.
        given = trial.drawn.get(name) if trial.drawn else getattr(trial.hyperparameters, name)
        return _value(given)

    return Column(heading=heading, cell=cell, rank=rank, number=True)


def _drawn(result: SweepResult) -> list[Column[TrialSummary]]:
    """A column for each hyperparameter that a hypermodel drew beyond the four, in that order."""

    def column(name: str) -> Column[TrialSummary]:
        return Column(
            heading=name.replace("_", "\n"),
            cell=lambda trial: _value(trial.drawn.get(name)),
            rank=5,
            number=True,
        )

    names = dict.fromkeys(name for trial in result.trials for name in trial.drawn)
    return [column(name) for name in names if name not in FOUR]


def _value(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _metric(name: str, form: str, *, rank: int, heading: str | None = None) -> Column[TrialSummary]:
    def cell(trial: TrialSummary) -> str:
        return _shown(trial.metrics.get(name), form)

    return Column(heading=heading or name.replace("/", "/\n"), cell=cell, rank=rank, number=True)


def _attempts(result: SweepResult) -> list[Column[TrialSummary]]:
    """A column for the attempts, if any trial took more than one."""
    if all(trial.attempts == 1 for trial in result.trials):
        return []

    def cell(trial: TrialSummary) -> str:
        return str(trial.attempts)

    return [Column(heading="attempts", cell=cell, rank=9, number=True)]


def _version_accuracy(version: RegisteredVersion) -> str:
    value = version.tags.get(f"{METRIC_TAG}val/accuracy")
    return "" if value is None else f"{float(value):.4f}"


def _version_trial(version: RegisteredVersion) -> str:
    number = version.tags.get("finesweep.trial")
    return "" if number is None else f"t{int(number):03d}"


def _study_trials(study: StudySummary) -> str:
    return f"{study.done} of {'?' if study.total is None else study.total}"


def _probability(predictions: Predictions, index: int) -> Callable[[int], str]:
    return lambda row: f"{predictions.probabilities[row, index]:.4f}"


def _fitted(
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    *,
    width: int,
    is_bold: Callable[[Row], bool] = lambda _: False,
) -> Table:
    """The table with as many columns as there is room for; says which it leaves out."""
    kept = _kept(columns, rows, width=width)
    table = _table(kept, rows, is_bold=is_bold)
    left_out = [_one_line(column.heading) for column in columns if column not in kept]
    if left_out:
        table.caption = f"no room for {', '.join(left_out)}: see --json"
        table.caption_justify = "left"
    return table


def _kept(
    columns: Sequence[Column[Row]], rows: Sequence[Row], *, width: int
) -> Sequence[Column[Row]]:
    """Without the columns of the highest ranks, as far as that is needed for ``width``."""
    unbounded = Console(width=10_000)
    for most in sorted({column.rank for column in columns}, reverse=True):
        kept = [column for column in columns if column.rank <= most]
        if unbounded.measure(_table(kept, rows)).maximum <= width:
            break
    return kept


def _table(
    columns: Iterable[Column[Row]],
    rows: Iterable[Row],
    *,
    is_bold: Callable[[Row], bool] = lambda _: False,
) -> Table:
    columns = list(columns)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(Text(column.heading), justify="right" if column.number else "left")
    for row in rows:
        cells = (Text(column.cell(row)) for column in columns)
        table.add_row(*cells, style="bold" if is_bold(row) else None)
    return table


def _one_line(heading: str) -> str:
    return heading.replace("/\n", "/").replace("\n", " ")


def _shown(value: Any, form: str) -> str:
    return "" if value is None else format(value, form)
