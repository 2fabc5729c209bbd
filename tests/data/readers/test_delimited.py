from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesweep.data.readers import Columns
from finesweep.data.readers.delimited import read_csv, read_tsv
from finesweep.errors import DataError

COLUMNS = Columns(text="text", label="label")

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def message(content: str | bytes) -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(DataError) as caught:
        read_csv(raw, file="x.csv", columns=COLUMNS)
    return str(caught.value)


def test_no_text_is_taken_for_anything_else() -> None:
    words = ["NA", "null", "None", "007", "nan", "1e5", "true", "", " a "]
    content = "label,text\n" + "".join(f"0,{word}\n" for word in words)
    assert read_csv(content.encode(), file="x", columns=COLUMNS).texts == words


def test_quotes_commas_line_breaks_and_crlf_are_read() -> None:
    content = '\ufefftext,label\r\n"a, ""b""\r\nc",1\r\n\r\nsay "hi" now,0\r\nlast,1'
    rows = read_csv(content.encode(), file="x", columns=COLUMNS)
    assert rows.texts == ['a, "b"\r\nc', 'say "hi" now', "last"]
    assert rows.labels == ["1", "0", "1"]
    assert rows.lines == [2, 5, 6]


def test_old_macintosh_line_ends_are_read() -> None:
    assert read_csv(b"text,label\ra,1\rb,0\r", file="x", columns=COLUMNS).texts == ["a", "b"]


def test_utf16_with_a_mark_is_read() -> None:
    content = "text\tlabel\ncaf\u00e9\t1\n".encode("utf-16")
    assert read_tsv(content, file="x", columns=COLUMNS).texts == ["caf\u00e9"]


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
def test_what_python_writes_as_csv_is_read_back(pairs: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *pairs])
    rows = read_csv(file.getvalue().encode(), file="x", columns=COLUMNS)
    assert list(zip(rows.texts, rows.labels, strict=True)) == pairs


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            'text,label\n"a\nb",1\nx, y,0\n',
            "x.csv:4, row 2: expected 2 fields as in the first line, found 3; "
            "a comma inside a field needs quotes around the field",
        ),
        ("text,label\na,1\nb\n", "x.csv:3, row 2: expected 2 fields as in the first line, found 1"),
        (
            'text,label\na,1\n"b,0\nc,1\n',
            "x.csv:3, row 2: a quote opens a field here and is never closed",
        ),
        (
            'text,label\n"a" b,1\n',
            "x.csv:2, row 1: text goes on after the closing quote of a field",
        ),
        (
            'text,label\n"' + "a\n" * 70_000 + '",1\n',
            "x.csv:2, row 1: a field is longer than 131,072 characters",
        ),
        ('"text,label\na,1\n', "x.csv:1: a quote opens a field here and is never closed"),
        ("text;label\na;1\n", "x.csv:1: expected commas between the columns, found a semicolon"),
        ("text\tlabel\na\t1\n", "found a tab; set data.format to tsv"),
        ("text,label\n", "x.csv: there are no rows below the names of the columns"),
        ("text,label,text\na,1,b\n", "x.csv, field 'text': 2 columns are called 'text'"),
        (
            "body,label\na,1\n",
            "x.csv, field 'text': there is no such column for the text. "
            "The columns are 'body', 'label'. Set data.text to one of them",
        ),
        ("", "x.csv: the file is empty"),
        ("\n\n", "nothing but blanks"),
        (b"PK\x03\x04...", "found a zip archive or a spreadsheet; unpack it, or save it as CSV"),
    ],
)
def test_a_broken_file_is_named_by_line_and_row(content: str | bytes, expected: str) -> None:
    assert expected in message(content)


def test_a_stray_byte_in_another_column_does_no_harm() -> None:
    rows = read_csv(b"text,author,label\na,caf\xe9,1\n", file="x", columns=COLUMNS)
    assert rows.texts == ["a"]
