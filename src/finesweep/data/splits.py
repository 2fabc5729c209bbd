"""Which rows train, which validate and which test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finesweep.config import DataConfig, FileSplit, FractionSplit, PositionSplit
from finesweep.data.corpus import Corpus
from finesweep.data.row_errors import counted
from finesweep.data.shuffling import shuffled
from finesweep.errors import DataError, Location

RowNumbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitRows:
    """The rows (numbered through the corpus, from 0, ascending) of each split; no row twice."""

    train: RowNumbers
    validation: RowNumbers
    test: RowNumbers

    def items(self) -> tuple[tuple[str, RowNumbers], ...]:
        """Name and rows of each split, in the order in which they are used."""
        return ("train", self.train), ("validation", self.validation), ("test", self.test)


def split_rows(
    corpus: Corpus, config: DataConfig, *, ids: NDArray[np.int32], names: Sequence[str]
) -> SplitRows:
    """Split as ``config.split`` says; ``ids`` is the class of every row, ``names`` of every class.

    Raises ``DataError`` when the data is too small for the split, or when training would never see
    a class.
    """
    split = config.split
    if isinstance(split, PositionSplit):
        rows = _by_position(split, len(corpus), file=corpus.parts[0].file)
    elif isinstance(split, FileSplit):
        rows = _by_files(corpus.ends)
    else:
        rows = _by_fraction(split, ids, names, file=corpus.parts[0].file)
    _require_classes(rows.train, corpus, ids=ids, names=names)
    return rows


def _by_position(split: PositionSplit, n_rows: int, *, file: str) -> SplitRows:
    ends = np.cumsum([split.train, split.validation, split.test])
    if ends[-1] > n_rows:
        asked = f"{split.train:,} + {split.validation:,}" + (
            f" + {split.test:,}" if split.test else ""
        )
        raise DataError(
            f"the split asks for {ends[-1]:,} rows ({asked}), the data has {n_rows:,}; "
            "lower data.split.train or data.split.validation",
            at=Location(file=file, field="data.split"),
        )
    train, validation, test = np.split(np.arange(ends[-1], dtype=np.int64), ends[:2])
    return SplitRows(train=train, validation=validation, test=test)


def _by_files(ends: Sequence[int]) -> SplitRows:
    train, validation, *test = np.split(np.arange(ends[-1], dtype=np.int64), ends[:-1])
    nothing = np.empty(0, dtype=np.int64)
    return SplitRows(train=train, validation=validation, test=test[0] if test else nothing)


def _by_fraction(
    split: FractionSplit, ids: NDArray[np.int32], names: Sequence[str], *, file: str
) -> SplitRows:
    """Every class split by the same fractions, and present in each split with a row at least."""
    pieces: dict[str, list[RowNumbers]] = {"validation": [], "test": [], "train": []}
    for number, name in enumerate(names):
        members = np.flatnonzero(ids == number).astype(np.int64)
        needed = 3 if split.test else 2
        if len(members) < needed:
            raise DataError(
                f"the class {name!r} has {len(members):,} of the {needed} rows it needs, one for "
                "each split; add rows, drop the class, or split by position or files",
                at=Location(file=file, field="data.split"),
            )
        n_validation, n_test = _shares(len(members), split)
        order = shuffled(members, seed=(split.seed, number))
        parts = np.split(order, [n_validation, n_validation + n_test])
        for key, part in zip(pieces, parts, strict=True):
            pieces[key].append(part)
    return SplitRows(**{key: np.sort(np.concatenate(parts)) for key, parts in pieces.items()})


def _shares(n_rows: int, split: FractionSplit) -> tuple[int, int]:
    """How many of a class's rows validate and test, so that one at least is left to train."""
    validation = max(1, math.floor(n_rows * split.validation + 0.5))
    test = max(1, math.floor(n_rows * split.test + 0.5)) if split.test else 0
    while validation + test >= n_rows:
        if validation >= test:
            validation -= 1
        else:
            test -= 1
    return validation, test


def _require_classes(
    train: RowNumbers, corpus: Corpus, *, ids: NDArray[np.int32], names: Sequence[str]
) -> None:
    """A class that training never sees cannot be learned, and would only be counted as wrong."""
    unseen = np.setdiff1d(np.arange(len(names)), ids[train])
    if not len(unseen):
        return
    number = int(unseen[0])
    first = int(np.flatnonzero(ids == number)[0])
    label, n_rows = corpus.labels.classes[number], int(np.sum(ids == number))
    raise DataError(
        f"no training row has the label {label!r} ({counted(n_rows, 'row has', 'rows have')} it, "
        "this is the first); training must see every class. Split by fraction, or change "
        "data.split so that some of these rows train",
        at=corpus.at(first, field=corpus.parts[0].columns.label),
    )
