from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from finesweep.data.readers import Columns, read_rows
from finesweep.data.sources import read_source, require_source
from finesweep.errors import DataError


def message(path: object, tmp_path: Path, sha256: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_source(str(path), sha256=sha256, cache=tmp_path / "cache")
    return str(caught.value)


def test_a_file_is_read_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    source = read_source(str(path), sha256=digest, cache=tmp_path)
    assert (source.content, source.suffix, source.digest) == (b"abc", ".csv", digest)


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.csv").write_bytes(b"abc")
    assert read_source("~/x.csv", cache=tmp_path).content == b"abc"


def test_what_is_not_there_is_said_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "sarcasm.json").write_text("[]")
    text = message(tmp_path / "sarcasms.json", tmp_path)
    assert text.endswith(f"there is no such file; did you mean {tmp_path / 'sarcasm.json'}?")
    assert message(tmp_path / "q", tmp_path).endswith(
        "there is no such file. Set data.path to the file"
    )
    assert f"{tmp_path / 'no'} is no folder" in message(tmp_path / "no" / "x.json", tmp_path)
    assert "expected a file, found a folder" in message(tmp_path, tmp_path)
    assert "received s3://" in message("s3://bucket/x.csv", tmp_path)
    assert "expected packaged:headlines" in message("packaged:tweets", tmp_path)


def test_what_is_there_but_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "circle.csv").symlink_to("circle.csv")
    (tmp_path / "nowhere.csv").symlink_to("gone.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("circle.csv", "nowhere.csv"):
        assert "the link leads to no file; mend it" in message(tmp_path / name, tmp_path)
    assert "found a pipe or a device; save in a file" in message(tmp_path / "pipe.csv", tmp_path)


def test_other_bytes_than_expected_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"abc")
    text = message(tmp_path / "x.csv", tmp_path, sha256="0" * 64)
    assert f"expected the bytes with SHA-256 {'0' * 64}, found ba7816bf" in text
    assert "--set data.sha256=null" in text


def test_the_format_comes_from_the_suffix_or_is_asked_for(tmp_path: Path) -> None:
    columns = Columns(text="t", label="l")
    path = tmp_path / "x.dat"
    path.write_text("t\tl\na\t1\n")
    source = read_source(str(path), cache=tmp_path)
    assert read_rows(source, columns=columns, format="tsv").texts == ["a"]
    with pytest.raises(DataError, match=r"cannot tell the format from the ending '\.dat'; set"):
        read_rows(source, columns=columns)


def test_a_missing_file_is_found_out_without_reading(tmp_path: Path) -> None:
    require_source("packaged:headlines")
    require_source("https://unreachable.invalid/data.json")
    with pytest.raises(DataError, match="there is no such file"):
        require_source(str(tmp_path / "no.json"))
    with pytest.raises(DataError, match="there is no bundled sample"):
        require_source("packaged:nothing")
