"""Readers, one a format; ``read_rows`` picks the one a file asks for."""

from __future__ import annotations

from finesweep.data.readers._base import Columns, Reader, Rows
from finesweep.data.readers.delimited import read_csv, read_tsv
from finesweep.data.readers.json_array import read_json
from finesweep.data.readers.json_lines import read_json_lines
from finesweep.data.readers.parquet import read_parquet
from finesweep.data.sources import Source
from finesweep.errors import DataError, Location

__all__ = ["Columns", "Reader", "Rows", "read_rows"]

_READERS: dict[str, Reader] = {
    "json": read_json,
    "jsonl": read_json_lines,
    "csv": read_csv,
    "tsv": read_tsv,
    "parquet": read_parquet,
}
_FORMAT_OF_SUFFIX = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def read_rows(source: Source, *, columns: Columns, format: str | None = None) -> Rows:  # noqa: A002
    """The rows of ``source``, read as ``format``, or as its suffix says when that is None."""
    chosen = format or _FORMAT_OF_SUFFIX.get(source.suffix.lower())
    if chosen is None:
        ending = f"the ending {source.suffix!r}" if source.suffix else "a name without ending"
        raise DataError(
            f"cannot tell the format from {ending}; "
            f"set data.format to one of {', '.join(_READERS)}",
            at=Location(file=source.name),
        )
    return _READERS[chosen](source.content, file=source.name, columns=columns)
