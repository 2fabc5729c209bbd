from __future__ import annotations

import pytest

from finesweep.data.readers import Columns
from finesweep.data.readers.json_lines import read_json_lines
from finesweep.errors import DataError

COLUMNS = Columns(text="headline", label="is_sarcastic")


def message(content: str) -> str:
    with pytest.raises(DataError) as caught:
        read_json_lines(content.encode(), file="x.jsonl", columns=COLUMNS)
    return str(caught.value)


def test_rows_keep_their_values_and_lines() -> None:
    content = (
        '\ufeff{"headline": "a\u2028b", "is_sarcastic": 1}\r\n\n'
        '{"headline": "null", "is_sarcastic": 0}'
    )
    rows = read_json_lines(content.encode(), file="x", columns=COLUMNS)
    assert rows.texts == ["a\u2028b", "null"]
    assert rows.labels == [1, 0]
    assert rows.lines == [1, 3]
    assert str(rows.at(1, field="headline")) == "x:3, row 2, field 'headline'"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            '{"headline": "a", "is_sarcastic": 1}\n\n{"headline": "b',
            "x.jsonl:3, row 2: expected one JSON object a line: Unterminated string",
        ),
        (
            '{"headline": "a", "is_sarcastic": 1}\n[1]',
            "x.jsonl:2, row 2: expected one JSON object a line, received an array",
        ),
        ('[{"headline": "a"}]', "received an array; set data.format to json"),
        ('[\n{"headline": "a"}\n]', "beginning of an array; set data.format to json"),
        ("", "the file is empty"),
        ('{"headline": ' + "9" * 5000 + "}", "row 1: expected one JSON object a line"),
    ],
)
def test_a_line_that_is_no_object_is_named(content: str, expected: str) -> None:
    assert expected in message(content)
