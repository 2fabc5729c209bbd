"""Texts that stand in a dataset more than once, and what that spoils."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finesweep.data.splits import SplitRows


@dataclass(frozen=True, kw_only=True)
class Overlaps:
    """How often texts repeat.

    ``duplicates`` and ``evaluated_rows_seen`` count rows: those whose text stands in a row before,
    and those of validation and test whose text stands in training. The other two count different
    texts; ``example_of_two_labels`` are two rows of the first text that has two labels.
    """

    duplicates: int
    texts_in_two_splits: int
    evaluated_rows_seen: int
    texts_with_two_labels: int
    example_of_two_labels: tuple[int, int]


def find_overlaps(
    texts: Sequence[str | None], ids: NDArray[np.int32], split: SplitRows | None
) -> Overlaps:
    """Compare all texts with one another, blanks aside; rows without a text are left out."""
    rows_of: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        if text is not None:
            rows_of.setdefault(" ".join(text.split()), []).append(row)
    repeated = [rows for rows in rows_of.values() if len(rows) > 1]
    home = np.full(len(texts), -1)  # -1: in no split; else 0 for training, 1, 2
    for number, (_, rows) in enumerate(split.items() if split is not None else ()):
        home[rows] = number
    two_splits = [homes for rows in repeated if len(homes := set(home[rows].tolist()) - {-1}) > 1]
    two_labels = [rows for rows in repeated if len(set(ids[rows].tolist()) - {-1}) > 1]
    example = (0, 0)
    if two_labels:
        labelled = [row for row in two_labels[0] if ids[row] >= 0]
        first = labelled[0]
        example = (first, next(row for row in labelled if ids[row] != ids[first]))
    seen = sum(int(np.sum(home[rows] > 0)) for rows in repeated if (home[rows] == 0).any())
    return Overlaps(
        duplicates=sum(len(rows) - 1 for rows in repeated),
        texts_in_two_splits=len(two_splits),
        evaluated_rows_seen=seen,
        texts_with_two_labels=len(two_labels),
        example_of_two_labels=example,
    )
