"""A fixed part of a split in which every class keeps its share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finesweep.data.shuffling import shuffled


def stratified_sample(
    labels: NDArray[np.int32], rows: NDArray[np.int64], *, limit: int, seed: int
) -> NDArray[np.int64]:
    """At most ``limit`` of ``rows``, ascending, chosen by ``seed`` alone.

    ``labels`` holds the class of every row of the dataset. Shares are rounded by largest remainder,
    so that exactly ``limit`` rows come back; every class is among them when ``limit`` allows it.
    """
    if limit >= len(rows):
        return np.sort(rows)
    classes, counts = np.unique(labels[rows], return_counts=True)
    chosen = [
        shuffled(rows[labels[rows] == label], seed=(seed, int(label)))[:quota]
        for label, quota in zip(classes, _quotas(counts, limit), strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _quotas(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """``limit`` shared out in proportion to ``counts``, one each before anything else if it can."""
    exact: NDArray[np.float64] = counts * limit / counts.sum()
    quotas: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    remainder = np.argsort(-(exact - quotas), kind="stable")
    quotas[remainder[: limit - int(quotas.sum())]] += 1
    if limit >= len(counts):
        while (quotas == 0).any():
            quotas[np.argmin(quotas)] += 1
            quotas[np.argmax(quotas)] -= 1
    return quotas
