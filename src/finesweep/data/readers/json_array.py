"""JSON: one array of objects, the layout of the article's sarcasm.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from finesweep.data.readers._base import Columns, Rows, rows_of_objects
from finesweep.data.readers.decoding import decode
from finesweep.errors import DataError, Location

_BLANKS = re.compile(r"[ \t\n\r]*")


def read_json(content: bytes, *, file: str, columns: Columns) -> Rows:
    """Rows of a JSON array of objects."""
    objects: list[dict[str, Any]] = []
    lines: list[int] = []
    for value, line in _elements(decode(content, file=file), file=file):
        if not isinstance(value, dict):
            raise DataError(
                f"expected an object with the fields {columns.text!r} and {columns.label!r}, "
                f"received {json_kind(value)}",
                at=Location(file=file, line=line, row=len(objects) + 1),
            )
        objects.append(value)
        lines.append(line)
    return rows_of_objects(objects, file=file, columns=columns, lines=lines)


def json_kind(value: object) -> str:
    """What JSON calls a value of this type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _elements(text: str, *, file: str) -> Iterator[tuple[Any, int]]:
    """The elements of the array, each with its line.

    Decoded one by one, for then a broken file is broken in a row that can be named.
    """
    decoder = json.JSONDecoder()
    position = _after_blanks(text, 0)
    if text[position] != "[":
        raise DataError(_not_an_array(text[position:]), at=Location(file=file, line=1))
    position = _after_blanks(text, position + 1)
    if text[position : position + 1] == "]":
        return
    row, line, counted = 0, 1, 0
    while True:
        row += 1
        line += text.count("\n", counted, position)
        counted = position
        at = Location(file=file, line=line, row=row)
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as exc:
            raise _broken(text, exc, at=at) from exc
        yield value, line
        position = _after_blanks(text, position)
        mark = text[position : position + 1]
        if mark == "]":
            break
        if mark != ",":
            raise _broken(text, f"expected ',' or ']' after the row, found {mark!r}", at=at)
        position = _after_blanks(text, position + 1)
    if _after_blanks(text, position + 1) < len(text):
        raise DataError(
            "more text follows the end of the array; expected one array of objects",
            at=Location(file=file, line=text.count("\n", 0, position) + 1),
        )


def _after_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position


def _broken(text: str, cause: BaseException | str, *, at: Location) -> DataError:
    if not text.rstrip().endswith("]"):
        return DataError(
            "the file ends inside the array: expected a closing ']'. It was cut short; "
            "copy or download it again",
            at=at,
        )
    if isinstance(cause, json.JSONDecodeError):
        cause = f"{cause.msg} (line {cause.lineno}, column {cause.colno})"
    elif isinstance(cause, Exception):
        cause = "the row is nested too deeply or holds too long a number"
    return DataError(f"not valid JSON: {cause}", at=at)


def _not_an_array(text: str) -> str:
    if text.startswith("<"):
        return (
            "expected a JSON array of objects, found a web page; "
            "data.path must name the file itself, not the page that shows it"
        )
    if text.startswith("{"):
        first_line = text.partition("\n")[0].rstrip()
        if first_line.endswith("}"):
            return (
                "expected a JSON array of objects, found one object a line; "
                "set data.format to jsonl (--set data.format=jsonl)"
            )
        return (
            "expected a JSON array of objects ([{...}, {...}]), found a single object; "
            "store its rows as an array"
        )
    return f"expected a JSON array of objects ([{{...}}, {{...}}]), found {text[:20]!r}"
