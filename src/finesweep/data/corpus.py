"""All rows of an experiment's data, from one file or three, and the errors that stand in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from finesweep.config import DataConfig, FileSplit
from finesweep.data.labels import Labels, read_labels
from finesweep.data.readers import Columns, Rows, read_rows
from finesweep.data.row_errors import is_unicode, rows_error
from finesweep.data.sources import Progress, read_source
from finesweep.errors import DataError, Location


@dataclass(frozen=True)
class Corpus:
    """The files of a dataset one after another: training (or everything), validation, test.

    Rows are numbered through all files from 0; ``at`` turns such a number into a place in a file.
    ``digest`` is the SHA-256 (hex) that ``DatasetIdentity`` tells of.
    """

    parts: tuple[Rows, ...]
    digest: str

    @cached_property
    def ends(self) -> list[int]:
        """For each file the number of the row after its last one."""
        return list(accumulate(len(rows) for rows in self.parts))

    def __len__(self) -> int:
        return self.ends[-1]

    @cached_property
    def labels(self) -> Labels:
        """The labels of all rows."""
        return read_labels(self.parts)

    @cached_property
    def texts(self) -> list[str | None]:
        """The text of every row, None where there is none that can be learned from."""
        return [
            text if isinstance(text, str) and _fault(text) is None else None
            for rows in self.parts
            for text in rows.texts
        ]

    def at(self, row: int, *, field: str | None = None) -> Location:
        """Where row ``row`` stands."""
        part = next(index for index, end in enumerate(self.ends) if row < end)
        return self.parts[part].at(row - self.ends[part] + len(self.parts[part]), field=field)

    def problems(self) -> list[DataError]:
        """Every fault that training cannot do with, in texts and in labels."""
        found = [problem for rows in self.parts for problem in _text_problems(rows)]
        found.extend(self.labels.problems)
        classes = self.labels.classes
        if len(classes) == 1:
            rows = self.parts[0]
            found.append(
                DataError(
                    f"every row has the label {classes[0]!r}; expected at least two classes. "
                    "Is data.label the right column?",
                    at=Location(file=rows.file, field=rows.columns.label),
                )
            )
        return found


def load_corpus(config: DataConfig, *, cache: Path, progress: Progress | None = None) -> Corpus:
    """Read the file, or the files, that ``config`` names.

    Raises ``DataError`` when one cannot be read as what it says it is.
    """
    paths: Sequence[str] = [config.path]
    if isinstance(config.split, FileSplit):
        split = config.split
        paths = [config.path, split.validation, *([split.test] if split.test is not None else [])]
    columns = Columns(text=config.text, label=config.label)
    parts, digests = [], []
    for number, path in enumerate(paths):
        source = read_source(
            path, sha256=config.sha256 if number == 0 else None, cache=cache, progress=progress
        )
        parts.append(read_rows(source, columns=columns, format=config.format))
        digests.append(source.digest)
    if len(digests) == 1:
        return Corpus(parts=tuple(parts), digest=digests[0])
    together = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return Corpus(parts=tuple(parts), digest=together)


_UNDECODED = re.compile("[\udc80-\udcff]")

_FAULTS = {
    "missing": ("the text is missing", "Fill it in, or remove the row"),
    "empty": ("the text is empty", "Fill it in, or remove the row"),
    "encoding": (
        "the text is not valid UTF-8",
        "Save the file as UTF-8 (iconv -f WINDOWS-1252 -t UTF-8 FILE, if it is Latin-1)",
    ),
    "surrogate": (
        "the text holds half of a character (a lone surrogate, as when a text is cut in an emoji)",
        "Remove it",
    ),
    "nul": ("the text holds a NUL character", "Remove it; the file may be damaged"),
}


def _fault(text: object) -> str | None:
    """The key of what is wrong with a text, None when it can be learned from."""
    if text is None or (isinstance(text, float) and text != text):  # NaN: how pandas says missing
        return "missing"
    if not isinstance(text, str):
        return "type"
    if not text.strip():
        return "empty"
    if "\0" in text:
        return "nul"
    if is_unicode(text):
        return None
    # What the decoder made of a byte that is no UTF-8; other surrogates stood in the file as such.
    return "encoding" if _UNDECODED.search(text) else "surrogate"


def _text_problems(rows: Rows) -> list[DataError]:
    """One error for each kind of fault in the texts of one file."""
    at: dict[str, list[int]] = {}
    for index, text in enumerate(rows.texts):
        fault = _fault(text)
        if fault is not None:
            at.setdefault(fault, []).append(index)
    problems = []
    for fault, indices in at.items():
        if fault == "type":
            raw = rows.texts[indices[0]]
            found = f"expected a text, received {raw!r:.60} (of type {type(raw).__name__})"
            advice = "Put it in quotes, or set data.text to the column that holds the texts"
        else:
            found, advice = _FAULTS[fault]
        problems.append(
            rows_error(rows, indices, field=rows.columns.text, found=found, advice=advice)
        )
    return problems
