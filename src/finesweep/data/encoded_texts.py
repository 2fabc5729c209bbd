"""Tokenised texts on disk, opened without reading them into memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from finesweep.data.array_folder import read_about, read_array
from finesweep.data.splits import SplitRows
from finesweep.errors import DataError, Location

SPLITS = "splits"
"""The folder, inside that of the tokens, that holds one folder a split."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedTexts:
    """The tokens and labels of all rows, and which rows belong to which split.

    Row ``i`` is ``tokens[offsets[i]:offsets[i + 1]]`` and begins with [CLS] and ends with [SEP];
    ``lengths[i]`` is its number of tokens. ``train``, ``validation`` and ``test`` (empty where
    there is none) hold row numbers, ascending.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int32]
    labels: NDArray[np.int32]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    pad_id: int
    sep_id: int
    max_positions: int

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open what ``prepare`` made; the tokens stay on disk, mapped.

        Raises ``DataError`` when the folder is missing or damaged.
        """
        folder = directory.parent.parent
        about = read_about(folder)
        read_about(directory)
        offsets = read_array(folder, "offsets")
        texts = cls(
            tokens=read_array(folder, "tokens", mapped=True),
            offsets=offsets,
            lengths=np.diff(offsets).astype(np.int32),
            labels=read_array(folder, "labels"),
            train=read_array(directory, "train"),
            validation=read_array(directory, "validation"),
            test=read_array(directory, "test"),
            pad_id=about["pad_id"],
            sep_id=about["sep_id"],
            max_positions=about["max_positions"],
        )
        if len(texts.labels) != len(texts.lengths) or offsets[-1] != len(texts.tokens):
            raise DataError(
                "the prepared arrays do not fit together; delete the folder and run again",
                at=Location(file=str(folder)),
            )
        return texts


def split_arrays(rows: SplitRows) -> Mapping[str, NDArray[np.int64]]:
    """The arrays of a split's folder, as ``EncodedTexts.open`` reads them."""
    return dict(rows.items())
