"""CSV and TSV, with the names of the columns in the first row.

Read with the standard library's csv module: it keeps every value the text it is, and counts lines,
so that a broken row can be named. pandas and pyarrow turn 'NA' into a missing value by default and
report a ragged row by the wrong number, or skip it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from finesweep.data.readers._base import Columns, Rows, require_columns
from finesweep.data.readers.decoding import decode
from finesweep.errors import DataError, Location

_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}


def read_csv(content: bytes, *, file: str, columns: Columns) -> Rows:
    """Rows of a comma-separated file; quoted fields may hold commas, quotes and line breaks."""
    return _read(content, file=file, columns=columns, delimiter=",")


def read_tsv(content: bytes, *, file: str, columns: Columns) -> Rows:
    """Rows of a tab-separated file, quoted as CSV is."""
    return _read(content, file=file, columns=columns, delimiter="\t")


def _read(content: bytes, *, file: str, columns: Columns, delimiter: str) -> Rows:
    records = _records(decode(content, file=file), file=file, delimiter=delimiter)
    _, header = next(records)
    header = [name.strip() for name in header]
    _require_delimiter(header, delimiter, file=file)
    require_columns(header, columns, file=file)
    text, label = header.index(columns.text), header.index(columns.label)
    texts: list[object] = []
    labels: list[object] = []
    lines: list[int] = []
    for line, record in records:
        if len(record) != len(header):
            raise DataError(
                f"expected {len(header)} fields as in the first line, found {len(record)}; "
                f"a {_NAMES[delimiter]} inside a field needs quotes around the field",
                at=Location(file=file, line=line, row=len(texts) + 1),
            )
        texts.append(record[text])
        labels.append(record[label])
        lines.append(line)
    if not texts:
        raise DataError(
            "there are no rows below the names of the columns; name the file that has them",
            at=Location(file=file),
        )
    return Rows(file=file, columns=columns, texts=texts, labels=labels, lines=lines)


def _records(text: str, *, file: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it begins on; the header comes first, blank lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    row = 0
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            at = Location(file=file, line=line, row=row or None)
            raise DataError(_broken_record(exc), at=at) from exc
        if record:
            yield line, record
            row += 1


def _broken_record(exc: csv.Error) -> str:
    message = str(exc)
    if "unexpected end" in message:
        return (
            "a quote opens a field here and is never closed; a quote that belongs to the text is "
            'written twice ("") inside a quoted field'
        )
    if "field limit" in message:
        return (
            f"a field is longer than {csv.field_size_limit():,} characters, as when a quote is "
            "never closed; store texts that long as JSON lines"
        )
    if "expected after" in message:
        return (
            "text goes on after the closing quote of a field; a quote that belongs to the text is "
            'written twice ("") inside a quoted field'
        )
    return f"not a row of separated values: {message}"


def _require_delimiter(header: list[str], delimiter: str, *, file: str) -> None:
    """A header in one piece that holds another delimiter is a file of another format."""
    if len(header) > 1:
        return
    for other, name in _NAMES.items():
        if other != delimiter and other in header[0]:
            formats = {",": "csv", "\t": "tsv"}
            advice = (
                f"set data.format to {formats[other]}"
                if other in formats
                else f"save the file with {_NAMES[delimiter]}s between its fields"
            )
            raise DataError(
                f"expected {_NAMES[delimiter]}s between the columns, found a {name}; {advice}",
                at=Location(file=file, line=1),
            )
