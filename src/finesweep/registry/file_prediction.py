"""A file of texts in, the same file with predictions out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from finesweep.errors import DataError, Location
from finesweep.registry.prediction import load
from finesweep.registry.tables import read_table, table_format, write_table
from finesweep.tracking.store import TrackingStore

if TYPE_CHECKING:
    import pandas as pd

_ROWS_AT_ONCE = 1024


def predict_file(
    store: TrackingStore,
    model_uri: str,
    source: Path,
    out: Path,
    *,
    text_column: str = "text",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Classify the column ``text_column`` of ``source``; returns the number of rows.

    ``out`` gets every column of ``source`` and then the model's; one of the model's that ``source``
    has already is called ``predicted_<name>``. Formats follow the endings: .csv, .tsv, .json,
    .jsonl or .parquet. ``out`` appears whole or not at all. ``progress`` gets the rows done and
    their number.

    Raises:
        DataError: ``source`` cannot be read, has no such column or lacks a text, or ``out`` cannot
            be written or exists (unless ``overwrite``).
        RegistryError: the model cannot be loaded.
    """
    _check_target(source, out, overwrite=overwrite)
    table = read_table(source)
    texts = _texts(table, text_column, source)
    predictions = _predicted(store, model_uri, texts, progress=progress)
    write_table(_joined(table, predictions, source), out, overwrite=overwrite)
    return len(texts)


def _check_target(source: Path, out: Path, *, overwrite: bool) -> None:
    """Find out what would fail at the end before the model is loaded."""
    table_format(source)
    table_format(out)
    at = Location(file=str(out))
    if out.exists() and source.exists() and out.samefile(source):
        raise DataError("the predictions would overwrite the texts; choose another file", at=at)
    if out.exists() and not overwrite:
        raise DataError("the file exists already; choose another, or pass --overwrite", at=at)
    if not out.parent.is_dir():
        raise DataError(f"there is no folder {out.parent}; create it first", at=at)


def _texts(table: pd.DataFrame, column: str, source: Path) -> list[str]:
    if column not in table.columns:
        there = ", ".join(f"'{name}'" for name in table.columns)
        raise DataError(
            f"there is no column '{column}'; the columns are {there}. Name one with --text-column",
            at=Location(file=str(source), field=column),
        )
    texts = list(table[column])
    for row, text in enumerate(texts, start=1):
        if not isinstance(text, str) or not text.strip():
            what = repr(text)[:80] if isinstance(text, int | float | list | dict) else "nothing"
            raise DataError(
                f"expected a text, received {'nothing' if text != text else what}",
                at=Location(file=str(source), row=row, field=column),
            )
    return texts


def _predicted(
    store: TrackingStore,
    model_uri: str,
    texts: list[str],
    *,
    progress: Callable[[int, int], None] | None,
) -> pd.DataFrame:
    import pandas as pd

    model = load(store, model_uri)
    frames = []
    for start in range(0, max(len(texts), 1), _ROWS_AT_ONCE):
        part = texts[start : start + _ROWS_AT_ONCE]
        frames.append(model.frame(part))
        if progress is not None:
            progress(start + len(part), len(texts))
    return pd.concat(frames, ignore_index=True)


def _joined(table: pd.DataFrame, predictions: pd.DataFrame, source: Path) -> pd.DataFrame:
    import pandas as pd

    names = {name: f"predicted_{name}" for name in predictions if name in table.columns}
    twice = [name for name in names.values() if name in table.columns]
    if twice:
        raise DataError(
            f"the predictions need a column '{twice[0]}', which is there already; rename it",
            at=Location(file=str(source), field=twice[0]),
        )
    return pd.concat([table.reset_index(drop=True), predictions.rename(columns=names)], axis=1)
