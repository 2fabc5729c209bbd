from __future__ import annotations

import pytest

from finesweep.data.readers import Columns
from finesweep.data.readers.json_array import read_json
from finesweep.errors import DataError

COLUMNS = Columns(text="headline", label="is_sarcastic")


def read(content: str) -> tuple[list[object], list[object], list[int]]:
    rows = read_json(content.encode(), file="x.json", columns=COLUMNS)
    return list(rows.texts), list(rows.labels), list(rows.lines or ())


def message(content: str | bytes, columns: Columns = COLUMNS) -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(DataError) as caught:
        read_json(raw, file="x.json", columns=columns)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_rows_keep_their_values_and_lines() -> None:
    texts, labels, lines = read(
        '[\n{"headline": "NA", "is_sarcastic": 0, "link": "x"},\n\n'
        '{\n"headline": "a\\nb",\n"is_sarcastic": true},'
        '{"headline": null, "is_sarcastic": "007"}]\n'
    )
    assert texts == ["NA", "a\nb", None]
    assert labels == [0, True, "007"]
    assert lines == [2, 4, 6]


def test_a_field_an_object_lacks_is_missing() -> None:
    texts, labels, _ = read('[{"headline": "a"}, {"is_sarcastic": 1}]')
    assert texts == ["a", None]
    assert labels == [None, 1]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_and_crlf_change_nothing(mark: bytes) -> None:
    content = mark + b'[\r\n{"headline": "a", "is_sarcastic": 1}\r\n]\r\n'
    assert read_json(content, file="x", columns=COLUMNS).texts == ["a"]


def test_utf16_with_a_mark_is_read() -> None:
    content = '[{"headline": "caf\u00e9", "is_sarcastic": 1}]'.encode("utf-16")
    assert read_json(content, file="x", columns=COLUMNS).texts == ["caf\u00e9"]


def test_a_truncated_file_names_the_row_it_ends_in() -> None:
    whole = '[\n{"headline": "a", "is_sarcastic": 1},\n{"headline": "b", "is_sarcastic": 0}\n]'
    for end in range(len(whole) - 1, whole.index('{"headline": "b"'), -1):
        assert message(whole[:end]).startswith(
            "x.json:3, row 2: the file ends inside the array: expected a closing ']'. "
            "It was cut short; copy or download it again"
        )


def test_the_syntax_error_of_a_row_is_placed() -> None:
    text = message('[{"headline": "a", "is_sarcastic": 1},\n{"headline": "b" "is_sarcastic": 0}]')
    assert text == ("x.json:2, row 2: not valid JSON: Expecting ',' delimiter (line 2, column 18)")


def test_a_missing_comma_between_rows_is_placed() -> None:
    assert message('[{"headline": "a"}\n{"headline": "b"}]') == (
        "x.json:1, row 1: not valid JSON: expected ',' or ']' after the row, found '{'"
    )


def test_a_trailing_comma_is_placed() -> None:
    assert message('[{"headline": "a"},\n]').startswith(
        "x.json:2, row 2: not valid JSON: Expecting"
    )


def test_a_row_that_is_no_object_is_named() -> None:
    assert message('[{"headline": "a", "is_sarcastic": 1},\n["b", 0]]') == (
        "x.json:2, row 2: expected an object with the fields 'headline' and 'is_sarcastic', "
        "received an array"
    )
    assert "received a string" in message('["a", "b"]')
    assert "received null" in message("[null]")
    assert "received a number" in message("[1.5]")
    assert "received a boolean" in message("[true]")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"headline": "a", "is_sarcastic": 1}\n{"headline": "b"}\n', "--set data.format=jsonl"),
        ('{"data": [\n{"headline": "a"}]}', "found a single object; store its rows as an array"),
        ("<!DOCTYPE html><html>", "found a web page"),
        ("headline,is_sarcastic\n", "found 'headline,is_sarcasti'"),
        ("[]", "there are no rows in it"),
        ("", "the file is empty"),
        (" \n ", "nothing but blanks"),
        (b"\x1f\x8b\x08\x00", "found a gzip archive; unpack it first"),
        (b"PAR1abc", "found a Parquet file; set data.format to parquet"),
        (b"\xff\xfe[\x00{\x00}", "begins as UTF-16 but is not"),
        ('[{"headline": "a"}]'.encode("utf-16-le"), "UTF-16 without a byte order mark"),
    ],
)
def test_what_is_no_array_of_objects_is_said_to_be_what_it_is(
    content: str | bytes, expected: str
) -> None:
    assert expected in message(content)


def test_text_after_the_array_is_an_error() -> None:
    assert "x.json:2: more text follows" in message('[{"headline": "a"}\n] x')


def test_nesting_without_end_is_an_error_and_no_crash() -> None:
    assert "row 1: not valid JSON: the row is nested too deeply" in message("[" * 200_000 + "]")
    digits = "9" * 5000  # more than Python turns into a number
    assert "or holds too long a number" in message(f'[{{"text": "a", "label": {digits}}}]')


def test_a_number_without_end_is_an_error_and_no_crash() -> None:
    assert "row 1: not valid JSON" in message('[{"headline": ' + "9" * 5000 + "}]")


def test_an_unknown_column_suggests_the_nearest_and_lists_all() -> None:
    content = '[{"headline": "a", "is_sarcastic": 1, "article_link": ""}]'
    assert message(content, Columns(text="Headlines", label="is_sarcastic")) == (
        "x.json, field 'Headlines': there is no such column for the text; did you mean "
        "'headline'? The columns are 'headline', 'is_sarcastic', 'article_link'. "
        "Set data.text to one of them"
    )
    assert "for the label. The columns are 'headline'" in message(
        content, Columns(text="headline", label="xyz")
    )


def test_text_and_label_must_differ() -> None:
    text = message('[{"headline": "a"}]', Columns(text="headline", label="headline"))
    assert "text and label name the same column" in text
