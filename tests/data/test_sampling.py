from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finesweep.data import stratified_sample
from finesweep.data.shuffling import shuffled


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=200),
    limit=st.integers(1, 220),
    seed=st.integers(0, 2**31 - 1),
)
def test_a_sample_has_the_asked_size_and_every_class_its_share(
    labels: list[int], limit: int, seed: int
) -> None:
    array = np.array(labels, dtype=np.int32)
    rows = np.flatnonzero(np.arange(len(array)) % 3 != 1)
    sample = stratified_sample(array, rows, limit=limit, seed=seed)
    assert len(sample) == min(limit, len(rows))
    assert np.all(np.diff(sample) > 0)
    assert np.isin(sample, rows).all()
    classes, counts = np.unique(array[rows], return_counts=True)
    if limit >= len(classes):
        assert set(array[sample]) == set(classes)
    for label, count in zip(classes, counts, strict=True):
        share = count * len(sample) / len(rows)
        assert abs(int(np.sum(array[sample] == label)) - share) <= len(classes)
    assert np.array_equal(sample, stratified_sample(array, rows, limit=limit, seed=seed))


def test_shares_are_rounded_by_largest_remainder() -> None:
    labels = np.repeat(np.arange(3, dtype=np.int32), [67, 24, 9])
    sample = stratified_sample(labels, np.arange(100), limit=10, seed=0)
    assert np.bincount(labels[sample]).tolist() == [7, 2, 1]


def test_another_seed_chooses_other_rows() -> None:
    labels = np.zeros(1000, dtype=np.int32)
    rows = np.arange(1000)
    first = stratified_sample(labels, rows, limit=100, seed=0)
    assert not np.array_equal(first, stratified_sample(labels, rows, limit=100, seed=1))


def test_the_order_is_the_same_on_every_machine() -> None:
    assert shuffled(np.arange(10), seed=(7, 3)).tolist() == [2, 4, 7, 3, 5, 1, 8, 9, 0, 6]
