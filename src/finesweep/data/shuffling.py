"""The one way rows are put in random order: seeded, and the same everywhere and for ever."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shuffled(rows: NDArray[np.int64], *, seed: tuple[int, ...]) -> NDArray[np.int64]:
    """``rows`` in an order that depends on ``seed`` (non-negative integers) alone.

    Sorts by raw 64-bit draws of PCG64, because NumPy promises (NEP 19) that a bit generator's
    stream never changes between versions and platforms, and promises no such thing of
    ``Generator.permutation``.
    """
    draws = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(len(rows))
    order: NDArray[np.intp] = np.argsort(draws, kind="stable")
    return rows[order]
