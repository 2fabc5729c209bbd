from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from finesweep.errors import DataError
from finesweep.registry.tables import read_table, table_format, write_table

ROWS = [
    {"id": "007", "text": 'a "quoted", text\nof two lines', "note": "NA"},
    {"id": "8", "text": "ein Bär – 東京", "note": ""},
]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
def test_what_is_written_is_read(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"rows{suffix}"
    write_table(pd.DataFrame(ROWS), file, overwrite=False)
    assert read_table(file).to_dict(orient="records") == ROWS
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes("\ufefftext\nA\n".encode())
    assert list(read_table(file).columns) == ["text"]


def test_integers_in_json_stay_integers(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text('[{"text": "a", "n": 1}, {"text": "b"}]')
    write_table(read_table(file), tmp_path / "out.jsonl", overwrite=False)
    assert '"n":1}' in (tmp_path / "out.jsonl").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text\n\xff\xfe\n", "expected UTF-8 text"),
        ("a.csv", b"", "expected CSV: No columns"),
        ("a.csv", b"a,b\n1,2,3,4\n1\n1,2,3,4,5,6\n", "expected CSV"),
        ("a.json", b"{", "expected JSON"),
        ("a.json", b'{"text": "a"}', "expected an array of objects"),
        ("a.json", b'["a"]', "row 1: expected an object, received"),
        ("a.jsonl", b'{"text": "a"}\n3\n', "row 2: expected an object, received 3"),
        ("a.jsonl", b'{"text": "a"\n', "expected JSONL"),
        ("a.parquet", b"PAR1 no", "expected PARQUET"),
        ("a.txt", b"a", "expected a file that ends in one of .csv"),
    ],
)
def test_files_that_are_not_what_they_say(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / name)
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the file: No such file"):
        read_table(tmp_path / "none.csv")


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        write_table(pd.DataFrame(ROWS), file, overwrite=False)
    assert file.read_text() == "mine"
    write_table(pd.DataFrame(ROWS), file, overwrite=True)
    assert len(read_table(file)) == 2
    assert len(list(tmp_path.iterdir())) == 1


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot write the file"):
        write_table(pd.DataFrame(ROWS), tmp_path / "none" / "out.csv", overwrite=False)

    class Unwritable(pd.DataFrame):
        def to_csv(self, *args: object, **options: object) -> None:  # type: ignore[override]
            Path(str(args[0])).write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space left on device"):
        write_table(Unwritable(ROWS), tmp_path / "out.csv", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_table(pd.DataFrame(ROWS), tmp_path / "out.csv", overwrite=False)
    finally:
        os.umask(before)
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o640


def test_endings_of_any_case() -> None:
    assert table_format(Path("A.CSV")) == "csv"
