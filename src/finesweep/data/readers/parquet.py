"""Parquet: the two columns, read through pyarrow, nulls as None."""

from __future__ import annotations

from typing import Any

from finesweep.data.readers._base import Columns, Rows, require_columns
from finesweep.errors import DataError, Location


def read_parquet(content: bytes, *, file: str, columns: Columns) -> Rows:
    """Rows of a Parquet file; other columns than the two are not loaded."""
    # Loaded here: three tenths of a second that a reader of JSON does not pay.
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = Location(file=file)
    if not content:
        raise DataError("the file is empty; copy or download it again", at=at)
    try:
        parquet = pq.ParquetFile(pa.BufferReader(content))
        names = [name for name in parquet.schema_arrow.names if not name.startswith("__index_")]
        require_columns(names, columns, file=file)
        table = parquet.read(columns=[columns.text, columns.label])
    except (pa.ArrowException, OSError) as exc:
        reason = str(exc).strip().rstrip(".")
        raise DataError(
            f"not a readable Parquet file: {reason}; copy or download it again", at=at
        ) from exc
    if not table.num_rows:
        raise DataError("there are no rows in it; name the file that has them", at=at)
    return Rows(
        file=file,
        columns=columns,
        texts=_values(table, columns.text, file=file),
        labels=_values(table, columns.label, file=file),
    )


def _values(table: Any, column: str, *, file: str) -> list[object]:
    try:
        values: list[object] = table.column(column).to_pylist()
    except UnicodeDecodeError as exc:
        raise DataError(
            f"the column holds a string that is not UTF-8: {exc.reason}",
            at=Location(file=file, field=column),
        ) from exc
    return values
