"""Errors about rows: how many there are, which, and where the first of them stands."""

from __future__ import annotations

from collections.abc import Sequence

from finesweep.data.readers import Rows
from finesweep.errors import DataError

_ROWS_SHOWN = 5


def rows_error(
    rows: Rows, indices: Sequence[int], *, field: str, found: str, advice: str
) -> DataError:
    """One error for all ``indices`` (from 0, in order) of a file that share a fault."""
    also = ""
    if len(indices) > 1:
        numbers = row_list([f"{index + 1:,}" for index in indices], shown=_ROWS_SHOWN)
        also = f" ({len(indices):,} rows: {numbers})"
    return DataError(f"{found}{also}. {advice}", at=rows.at(indices[0], field=field))


def row_list(names: Sequence[str], *, shown: int) -> str:
    """``names`` as a list to read, the first ``shown`` of them written out."""
    more = len(names) - shown
    listed = ", ".join(names[:shown])
    return f"{listed} and {more:,} more" if more > 0 else listed


def counted(number: int, one: str, many: str) -> str:
    """``number`` with the words that go with it."""
    return f"{number:,} {one if number == 1 else many}"


def is_unicode(text: str) -> bool:
    """Whether ``text`` has no lone surrogate: neither a byte that was no UTF-8, nor half a pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
