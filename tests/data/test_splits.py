from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesweep.config import DataConfig
from finesweep.data.corpus import Corpus
from finesweep.data.readers import Columns, Rows
from finesweep.data.splits import SplitRows, split_rows
from finesweep.errors import DataError


def split(labels: list[list[int]], **values: Any) -> SplitRows:
    """Split files of these labels."""
    config = DataConfig.model_validate({"path": "0.csv", "split": values})
    parts = tuple(
        Rows(
            file=f"{number}.csv",
            columns=Columns(text="text", label="label"),
            texts=["a"] * len(part),
            labels=part,
        )
        for number, part in enumerate(labels)
    )
    corpus = Corpus(parts=parts, digest="")
    names = [f"class {label}" for label in corpus.labels.classes]
    return split_rows(corpus, config, ids=corpus.labels.ids(), names=names)


def message(labels: list[list[int]], **values: Any) -> str:
    with pytest.raises(DataError) as caught:
        split(labels, **values)
    return str(caught.value)


def test_by_position_takes_the_rows_in_file_order() -> None:
    rows = split([[0, 1, 0, 1, 0, 1, 1]], by="position", train=3, validation=2, test=1)
    assert rows.train.tolist() == [0, 1, 2]
    assert rows.validation.tolist() == [3, 4]
    assert rows.test.tolist() == [5]
    assert len(split([[0, 1, 0]], by="position", train=2, validation=1).test) == 0


def test_by_position_never_asks_for_more_than_there_is() -> None:
    assert message([[0, 1, 0]], by="position", train=2, validation=2) == (
        "0.csv, field 'data.split': the split asks for 4 rows (2 + 2), the data has 3; "
        "lower data.split.train or data.split.validation"
    )


def test_by_files_keeps_each_file_to_its_split() -> None:
    rows = split([[0, 1], [1, 0], [1]], by="files", validation="1.csv", test="2.csv")
    assert [part.tolist() for _, part in rows.items()] == [[0, 1], [2, 3], [4]]
    assert len(split([[0, 1], [1]], by="files", validation="1.csv").test) == 0


def test_training_must_see_every_class() -> None:
    expected = (
        "row 4, field 'label': no training row has the label 1 (2 rows have it, this is the first)"
    )
    text = message([[0, 0, 0, 1, 1]], by="position", train=3, validation=2)
    assert text.startswith(f"0.csv, {expected}")
    text = message([[0, 2, 0], [0, 0, 0, 1, 1]], by="files", validation="1.csv")
    assert text.startswith(f"1.csv, {expected}")


@given(
    counts=st.lists(st.integers(3, 60), min_size=2, max_size=5),
    validation=st.floats(0.01, 0.6),
    test=st.one_of(st.just(0.0), st.floats(0.01, 0.39)),
    seed=st.integers(0, 2**31 - 1),
)
def test_by_fraction_keeps_every_class_in_every_split(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    values = {"by": "fraction", "validation": validation, "test": test, "seed": seed}
    rows = split([labels], **values)
    together = np.concatenate([part for _, part in rows.items()])
    assert sorted(together.tolist()) == list(range(len(labels)))
    ids = np.array(labels)
    for name, part in rows.items():
        assert np.all(np.diff(part) > 0)
        if name == "test" and not test:
            assert len(part) == 0
        else:
            assert set(ids[part]) == set(range(len(counts)))
    for label, count in enumerate(counts):
        got = int(np.sum(ids[rows.validation] == label))
        assert abs(got - count * validation) <= 1 or got == count - 1 - int(
            np.sum(ids[rows.test] == label)
        )
    again = split([labels], **values)
    assert all(
        np.array_equal(a, b) for (_, a), (_, b) in zip(rows.items(), again.items(), strict=True)
    )


def test_by_fraction_shuffles_by_seed() -> None:
    labels = [[0, 1] * 50]
    first = split(labels, by="fraction", validation=0.2)
    other = split(labels, by="fraction", validation=0.2, seed=1)
    assert len(first.validation) == 20
    assert not np.array_equal(first.validation, other.validation)


def test_by_fraction_needs_a_row_a_split_of_every_class() -> None:
    assert message([[0, 0, 0, 1]], by="fraction", validation=0.2).startswith(
        "0.csv, field 'data.split': the class 'class 1' has 1 of the 2 rows it needs, "
        "one for each split; add rows"
    )
    text = message([[0, 0, 0, 1, 1]], by="fraction", validation=0.2, test=0.2)
    assert "the class 'class 1' has 2 of the 3 rows it needs" in text
