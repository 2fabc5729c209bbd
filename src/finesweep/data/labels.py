"""Labels as they stand in the data, made into classes with an id and a name each.

A label is a whole number, a text or a boolean, one kind in all the data. CSV knows texts alone, so
texts are taken for numbers when every one of them is the plain writing of a number ('0', '1.0', not
'007'). Ids count from 0 in the order of the labels: numbers by size, texts by code point.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finesweep.data.readers import Rows
from finesweep.data.row_errors import is_unicode, row_list, rows_error
from finesweep.errors import DataError, Location

Label = int | str
Kind = Literal["missing", "number", "text", "boolean", "unusable"]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?")
_NAMES_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels of all rows (None where there is none to learn), the classes, the faults."""

    values: Sequence[Label | None]
    classes: tuple[Label, ...]
    problems: tuple[DataError, ...]

    def ids(self) -> NDArray[np.int32]:
        """The class id of every row, -1 where the row has no label."""
        number = {label: index for index, label in enumerate(self.classes)}
        return np.fromiter(
            (-1 if value is None else number.get(value, -1) for value in self.values),
            dtype=np.int32,
            count=len(self.values),
        )


def read_labels(parts: Sequence[Rows]) -> Labels:
    """The labels of all files together; what is missing or cannot be a label is a problem."""
    read = [[_classify(raw) for raw in rows.labels] for rows in parts]
    texts = [str(value) for part in read for kind, value in part if kind == "text"]
    if texts and all(_NUMBER.fullmatch(text) for text in texts):
        read = [[_as_number(kind, value) for kind, value in part] for part in read]
    problems = [
        problem
        for rows, part in zip(parts, read, strict=True)
        for problem in _row_problems(rows, [kind for kind, _ in part])
    ]
    mixed = _mixed_kinds(parts, [[kind for kind, _ in part] for part in read])
    if mixed is not None:
        problems.append(mixed)
    values = [value for part in read for _, value in part]
    present = {value for value in values if value is not None}
    classes = () if mixed is not None else tuple(sorted(present, key=_order))
    return Labels(values=values, classes=classes, problems=tuple(problems))


def class_names(classes: Sequence[Label], names: Mapping[int | str, str] | None) -> tuple[str, ...]:
    """The name of each class: from ``label_names``, which must name all of them and no other."""
    if names is None:
        return tuple(str(label) for label in classes)
    at = Location(field="data.label_names")
    # A key is meant as it is written: YAML reads 0 as a number, and CSV may hold the text '0'.
    by_writing = {str(key): name.strip() for key, name in names.items()}
    if len(by_writing) < len(names):
        raise DataError("a label is named twice, as a number and as a text; name it once", at=at)
    known = [str(label) for label in classes]
    unknown = [key for key in by_writing if key not in known]
    unnamed = [label for label in known if label not in by_writing]
    listed = _listing(known)
    if unknown:
        near = get_close_matches(unknown[0], known, n=1)
        guess = f" (did you mean {near[0]!r}?)" if near else ""
        raise DataError(
            f"names {_listing(unknown)}, which no row has for a label{guess}; "
            f"the labels in the data are {listed}",
            at=at,
        )
    if unnamed:
        raise DataError(
            f"expected a name for every label ({listed}); {_listing(unnamed)} has none", at=at
        )
    named = tuple(by_writing[label] for label in known)
    if "" in named:
        raise DataError(f"the name of label {known[named.index('')]!r} is blank", at=at)
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"two labels are called {twice!r}; expected different names", at=at)
    return named


def _classify(raw: object) -> tuple[Kind, Label | None]:
    """What kind of label ``raw`` is, and the label it stands for."""
    if raw is None:
        return "missing", None
    if isinstance(raw, bool):
        return "boolean", str(raw).lower()
    if isinstance(raw, int):
        return "number", raw
    if isinstance(raw, float):
        if math.isnan(raw):
            return "missing", None
        return ("number", int(raw)) if raw.is_integer() else ("unusable", None)
    if isinstance(raw, str):
        text = raw.strip()
        if not text:
            return "missing", None
        return ("text", text) if is_unicode(text) else ("unusable", None)
    return "unusable", None


def _as_number(kind: Kind, value: Label | None) -> tuple[Kind, Label | None]:
    if kind != "text":
        return kind, value
    number = float(str(value))
    if not number.is_integer():
        return "unusable", None
    return "number", int(str(value).partition(".")[0])


def _row_problems(rows: Rows, kinds: Sequence[Kind]) -> list[DataError]:
    """The rows of one file that have no label, or none that can be one."""
    field = rows.columns.label
    problems = []
    missing = [index for index, kind in enumerate(kinds) if kind == "missing"]
    if missing:
        problems.append(
            rows_error(
                rows, missing, field=field, found="the label is missing", advice="Fill it in"
            )
        )
    unusable = [index for index, kind in enumerate(kinds) if kind == "unusable"]
    if unusable:
        raw = rows.labels[unusable[0]]
        problems.append(
            rows_error(
                rows,
                unusable,
                field=field,
                found="expected a whole number, a text or a boolean as the label, "
                f"received {_described(raw)}",
                advice="Correct it",
            )
        )
    return problems


def _described(raw: object) -> str:
    if isinstance(raw, str) and not is_unicode(raw):
        return f"a text that is not valid UTF-8 ({raw!r:.60})"
    if isinstance(raw, float | str):
        return f"{raw!r:.60}"
    return f"a value of type {type(raw).__name__} ({raw!r:.60})"


def _mixed_kinds(parts: Sequence[Rows], kinds: Sequence[Sequence[Kind]]) -> DataError | None:
    """The first row whose label is of another kind than those before it."""
    first: Kind | None = None
    for rows, part in zip(parts, kinds, strict=True):
        for index, kind in enumerate(part):
            if kind in ("missing", "unusable"):
                continue
            first = first or kind
            if kind != first:
                raw = rows.labels[index]
                return DataError(
                    f"expected labels of one kind; this one is a {kind} ({raw!r:.60}) "
                    f"where those before it are {first}s. Write all of them the same way",
                    at=rows.at(index, field=rows.columns.label),
                )
    return None


def _order(label: Label) -> tuple[int, str]:
    return (label, "") if isinstance(label, int) else (0, label)


def _listing(labels: Sequence[str]) -> str:
    return row_list([repr(label) for label in labels], shown=_NAMES_SHOWN)
