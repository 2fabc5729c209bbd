from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from finesweep.registry.pyfunc_model import texts_of


@pytest.mark.parametrize(
    "given",
    [
        pd.DataFrame({"text": ["a", "b"], "other": [1, 2]}),
        pd.DataFrame({"text": pd.Categorical(["a", "b"])}),
        pd.DataFrame({"text": pd.array(["a", "b"], dtype="string")}),
        pd.DataFrame({"text": [["a", "b"]]}),
        pd.Series(["a", "b"]),
        ["a", "b"],
        ("a", "b"),
        np.array(["a", "b"]),
        np.array([["a"], ["b"]], dtype=object),
    ],
)
def test_everything_that_plainly_holds_texts(given: Any) -> None:
    assert texts_of(given)[0] == ["a", "b"]


def test_one_string_is_one_text() -> None:
    assert texts_of("ab")[0] == ["ab"]


def test_the_index_is_kept() -> None:
    _, index = texts_of(pd.DataFrame({"text": ["a", "b"]}, index=[7, 3]))
    assert index is not None
    assert list(index) == [7, 3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pd.DataFrame({"text": ["a", None]}), "row 2: expected a text, received nothing"),
        (pd.DataFrame({"text": ["a", float("nan")]}), "row 2: expected a text, received nothing"),
        (pd.DataFrame({"text": pd.array([pd.NA], dtype="string")}), "row 1: expected a text, rec"),
        (["a", 3], "row 2: expected a text, received 3"),
        ([b"a"], "row 1: expected a text, received b'a'"),
        (np.array([1.0]), "row 1: expected a text"),
        ([["a"]], "row 1: expected a text, received \\['a'\\]"),
        (pd.DataFrame({"texts": ["a"]}), "expected a column 'text', received \\['texts'\\]"),
        (3, "expected texts, received int"),
        (None, "expected texts, received NoneType"),
        (b"a", "expected texts, received bytes"),
    ],
)
def test_what_is_not_a_text(given: Any, message: str) -> None:
    with pytest.raises(MlflowException, match=message) as caught:
        texts_of(given)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert "\n" not in caught.value.message
