from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import pytest

from finesweep.data.labels import Labels, class_names, read_labels
from finesweep.data.readers import Columns, Rows
from finesweep.errors import DataError


def labels_of(*parts: Sequence[object]) -> Labels:
    return read_labels(
        [
            Rows(
                file=f"{number}.csv",
                columns=Columns(text="text", label="label"),
                texts=["a"] * len(part),
                labels=part,
            )
            for number, part in enumerate(parts)
        ]
    )


@pytest.mark.parametrize(
    ("raw", "classes", "ids"),
    [
        ([1, 0, 1], (0, 1), [1, 0, 1]),
        ([10, 9, -1], (-1, 9, 10), [2, 1, 0]),
        ([True, False], ("false", "true"), [1, 0]),
        (["satire", " plain ", "satire"], ("plain", "satire"), [1, 0, 1]),
        (["1", "0", "10", "9"], (0, 1, 9, 10), [1, 0, 3, 2]),
        (["1.0", "0", "0.0"], (0, 1), [1, 0, 0]),
        (["007", "7"], ("007", "7"), [0, 1]),
        (["1", "yes"], ("1", "yes"), [0, 1]),
        ([1.0, 0.0, 1], (0, 1), [1, 0, 1]),
        (["NA", "null"], ("NA", "null"), [0, 1]),
        (["\u00e9", "e", "z"], ("e", "z", "\u00e9"), [2, 0, 1]),
    ],
)
def test_labels_become_classes(
    raw: list[object], classes: tuple[object, ...], ids: list[int]
) -> None:
    labels = labels_of(raw)
    assert labels.problems == ()
    assert labels.classes == classes
    assert labels.ids().tolist() == ids


def test_texts_are_numbers_only_when_all_files_agree() -> None:
    assert labels_of(["0", "1"], [1, 0]).classes == (0, 1)
    assert labels_of(["0", "1"], ["0", "b"]).classes == ("0", "1", "b")


def test_missing_and_impossible_labels_are_listed_by_row() -> None:
    labels = labels_of([None, 1, math.nan, "", " ", None, None, 0], [0, [1], 2.5, Decimal(1)])
    assert [str(problem) for problem in labels.problems] == [
        "0.csv, row 1, field 'label': the label is missing "
        "(6 rows: 1, 3, 4, 5, 6 and 1 more). Fill it in",
        "1.csv, row 2, field 'label': expected a whole number, a text or a boolean as the label, "
        "received a value of type list ([1]) (3 rows: 2, 3, 4). Correct it",
    ]
    assert labels.ids().tolist() == [-1, 1, -1, -1, -1, -1, -1, 0, 0, -1, -1, -1]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([0, 0.5], "row 2, field 'label': expected a whole number, a text or a boolean"),
        (["0", "0.5"], "received '0.5'"),
        ([1, math.inf], "received inf"),
        (["a", "\udce9"], "received a text that is not valid UTF-8 ('\\udce9')"),
        ([0, "satire"], "row 2, field 'label': expected labels of one kind; this one is a text"),
        ([0, True], "this one is a boolean (True) where those before it are numbers"),
    ],
)
def test_one_bad_label_is_one_problem(raw: list[object], expected: str) -> None:
    (problem,) = labels_of(raw).problems
    assert expected in str(problem)


def test_names_cover_the_labels_whatever_the_type_of_their_keys() -> None:
    assert class_names((0, 1), None) == ("0", "1")
    assert class_names((0, 1), {1: "satire", 0: "plain"}) == ("plain", "satire")
    assert class_names((0, 1), {"1": "satire", "0": "plain"}) == ("plain", "satire")
    assert class_names(("false", "true"), {"true": "b", "false": "a"}) == ("a", "b")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({0: "a"}, "expected a name for every label ('0', '1'); '1' has none"),
        (
            {0: "a", 1: "b", 2: "c"},
            "names '2', which no row has for a label; the labels in the data are '0', '1'",
        ),
        ({0: "a", "0": "b", 1: "c"}, "a label is named twice"),
        ({0: "a", 1: "a"}, "two labels are called 'a'"),
        ({0: "a", 1: " "}, "the name of label '1' is blank"),
    ],
)
def test_names_that_do_not_fit_are_an_error(names: dict[int | str, str], expected: str) -> None:
    with pytest.raises(DataError) as caught:
        class_names((0, 1), names)
    assert str(caught.value).startswith("field 'data.label_names': ")
    assert expected in str(caught.value)


def test_a_misspelt_label_name_suggests_the_label() -> None:
    with pytest.raises(DataError, match="did you mean 'satire'"):
        class_names(("plain", "satire"), {"satyre": "S", "plain": "P"})
