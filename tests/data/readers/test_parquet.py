from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finesweep.data.readers import Columns
from finesweep.data.readers.parquet import read_parquet
from finesweep.errors import DataError

COLUMNS = Columns(text="text", label="label")


def parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_values_keep_their_types() -> None:
    content = parquet({"text": ["NA", None, "007"], "label": [True, None, False], "x": [1, 2, 3]})
    rows = read_parquet(content, file="x", columns=COLUMNS)
    assert rows.texts == ["NA", None, "007"]
    assert rows.labels == [True, None, False]
    assert str(rows.at(1)) == "x, row 2"


def test_a_pandas_file_with_categories_and_an_index_is_read(tmp_path: Any) -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": ["x", "y", "x"]}, index=[5, 6, 7])
    frame = frame.astype({"label": "category"})
    path = tmp_path / "x.parquet"
    frame.to_parquet(path)
    assert read_parquet(path.read_bytes(), file="x", columns=COLUMNS).labels == ["x", "y", "x"]
    with pytest.raises(DataError, match=r"The columns are 'text', 'label'\."):
        read_parquet(path.read_bytes(), file="x", columns=Columns(text="body", label="label"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "x.pq: the file is empty"),
        (b"text,label\na,1\n", "x.pq: not a readable Parquet file"),
        (parquet({"text": ["a"], "label": [1]})[:-9], "x.pq: not a readable Parquet file"),
        (parquet({"text": pa.array([], pa.string()), "label": pa.array([], pa.int8())}), "no rows"),
        (parquet({"text": ["a"], "lable": [1]}), "did you mean 'lable'?"),
    ],
)
def test_a_broken_file_is_an_error(content: bytes, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        read_parquet(content, file="x.pq", columns=COLUMNS)
    assert expected in str(caught.value)
