"""JSON lines: one object a line."""

from __future__ import annotations

import json
from typing import Any

from finesweep.data.readers._base import Columns, Rows, rows_of_objects
from finesweep.data.readers.decoding import decode
from finesweep.data.readers.json_array import json_kind
from finesweep.errors import DataError, Location


def read_json_lines(content: bytes, *, file: str, columns: Columns) -> Rows:
    """Rows of a file with one JSON object a line; blank lines count for nothing."""
    objects: list[dict[str, Any]] = []
    lines: list[int] = []
    # Not splitlines(): a JSON string may hold U+2028 and its like as they are.
    for number, line in enumerate(decode(content, file=file).split("\n"), start=1):
        if not line.strip():
            continue
        at = Location(file=file, line=number, row=len(objects) + 1)
        objects.append(_object(line, at=at))
        lines.append(number)
    return rows_of_objects(objects, file=file, columns=columns, lines=lines)


def _object(line: str, *, at: Location) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as exc:
        if at.row == 1 and line.strip() == "[":
            raise DataError(
                "expected one JSON object a line, found the beginning of an array; "
                "set data.format to json (--set data.format=json)",
                at=at,
            ) from exc
        reason = (
            f"{exc.msg} (column {exc.colno})"
            if isinstance(exc, json.JSONDecodeError)
            else "the row is nested too deeply or holds too long a number"
        )
        raise DataError(f"expected one JSON object a line: {reason}", at=at) from exc
    if not isinstance(value, dict):
        hint = "; set data.format to json" if isinstance(value, list) and at.row == 1 else ""
        raise DataError(
            f"expected one JSON object a line, received {json_kind(value)}{hint}", at=at
        )
    return value
