"""The contract of a reader: the bytes of one file in, the two columns that matter out.

A reader decides nothing about the values: a text may be missing, a label may be a list. It answers
for the shape of the file, and raises ``DataError`` with file, line and row when the file is not
what its format says. Values keep the type the format gives them; no reader takes 'NA', 'null' or
'007' for anything but a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from finesweep.errors import DataError, Location

_COLUMNS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of the two columns an experiment learns from."""

    text: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The texts and labels of one file as they stand in it, not yet checked.

    ``lines[i]`` is the line (from 1) on which row ``i`` begins; None where a format has no lines.
    """

    file: str
    columns: Columns
    texts: Sequence[object]
    labels: Sequence[object]
    lines: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def at(self, index: int, *, field: str | None = None) -> Location:
        """Where row ``index`` (from 0) stands, as an error names it (from 1)."""
        line = self.lines[index] if self.lines is not None else None
        return Location(file=self.file, line=line, row=index + 1, field=field)


class Reader(Protocol):
    """Reads one format."""

    def __call__(self, content: bytes, *, file: str, columns: Columns) -> Rows:
        """The rows of ``content``; ``file`` is the name that errors give it."""
        ...


def require_columns(available: Sequence[str], columns: Columns, *, file: str) -> None:
    """Raise ``DataError`` unless both columns stand, once each, among those of the file."""
    if columns.text == columns.label:
        raise DataError(
            "text and label name the same column; expected two different ones. "
            "Set data.text and data.label",
            at=Location(file=file, field=columns.text),
        )
    for role, wanted in (("text", columns.text), ("label", columns.label)):
        at = Location(file=file, field=wanted)
        found = available.count(wanted)
        if found > 1:
            raise DataError(
                f"{found} columns are called {wanted!r}; expected one. Rename the others", at=at
            )
        if not found:
            raise DataError(_unknown_column(available, wanted, role=role), at=at)


def _unknown_column(available: Sequence[str], wanted: str, *, role: str) -> str:
    folded = {name.casefold(): name for name in available}
    near = get_close_matches(wanted.casefold(), folded, n=1)
    guess = f"; did you mean {folded[near[0]]!r}?" if near else "."
    shown = ", ".join(repr(name[:60]) for name in available[:_COLUMNS_SHOWN])
    more = len(available) - _COLUMNS_SHOWN
    shown += f" and {more} more" if more > 0 else ""
    return (
        f"there is no such column for the {role}{guess} "
        f"The columns are {shown or '(none)'}. Set data.{role} to one of them"
    )


def rows_of_objects(
    objects: Sequence[Mapping[str, Any]], *, file: str, columns: Columns, lines: Sequence[int]
) -> Rows:
    """Rows of JSON objects; a field that an object lacks is a missing value, as null is."""
    if not objects:
        raise DataError(
            "there are no rows in it; name the file that has them", at=Location(file=file)
        )
    names = list(dict.fromkeys(name for record in objects for name in record))
    require_columns(names, columns, file=file)
    return Rows(
        file=file,
        columns=columns,
        texts=[record.get(columns.text) for record in objects],
        labels=[record.get(columns.label) for record in objects],
        lines=lines,
    )
