from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from finesweep.config import document as documents
from finesweep.config.document import Source, parse, read
from finesweep.errors import ConfigError


def values(text: str) -> Any:
    document = parse(text, Source("file.yaml", Path("/folder")))
    assert document is not None
    return document.values


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, Source("file.yaml", Path("/folder")))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-5", 5e-5),
        ("1.0e-5", 1e-5),
        ("010", 10),
        ("0x1F", 31),
        ("yes", "yes"),
        ("true", True),
        ("None", "None"),
        ("~", None),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("'5'", "5"),
        ("=", "="),
        ("{<<: 1}", {"<<": 1}),
        ("[1, [a]]", [1, ["a"]]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
)
def test_reads_yaml_1_2(text: str, value: object) -> None:
    assert values(text) == value
    assert type(values(text)) is type(value)


def test_places_are_the_lines_of_keys_and_items() -> None:
    document = parse("a:\n  b:\n    1\nc:\n  - x\n  - y\n", Source("f", Path("/")))
    assert document is not None
    lines = {path: place.line for path, place in document.places.items()}
    assert lines == {(): 1, ("a",): 1, ("a", "b"): 2, ("c",): 4, ("c", 0): 5, ("c", 1): 6}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb: 2\na: 3",
            "file.yaml:3: expected the key 'a' once, received it before, on line 1",
        ),
        ("a: {b: 1, b: 2}", "file.yaml:1: expected the key 'b' once"),
        ("a: 1\nb: c: d", "file.yaml:2: expected YAML, received a syntax error: mapping values"),
        ("a: [1\n", "received a syntax error: while parsing a flow sequence"),
        ("a: [1\n", "(begun on line 1)"),
        ("a: 1\n\tb: 2", "file.yaml:2: expected YAML"),
        (
            "a: *nowhere",
            "file.yaml:1: expected YAML, received a syntax error: found undefined alias",
        ),
        ("a: 1\n---\nb: 2", "file.yaml:2: expected YAML"),
        ("a: \x00", "expected YAML, received unacceptable character #x0000"),
        (
            "a: !python/object x",
            "file.yaml:1: expected text, numbers, lists and mappings, received",
        ),
        ("a: !!set {x}", "received the tag !!set; leave it out"),
        ("a: 1\n? [b]\n: c", "file.yaml:2: expected text as a key, received a list or a mapping"),
        ("a: &a [*a]", "file.yaml:1: expected a value, received an alias of what it stands in"),
        ("a: !!int x", "file.yaml:1: expected a value of YAML's type int, received 'x'"),
        ("a: !!bool x", "file.yaml:1: expected a value of YAML's type bool, received 'x'"),
        ("a: " + "9" * 5000, "file.yaml:1: expected a value of YAML's type int"),
        ("[" * 1000, "file.yaml: expected a few levels of nesting, received hundreds"),
    ],
)
def test_refuses(text: str, message: str) -> None:
    assert message in refusal(text)


def test_aliases_of_aliases_are_cut_short() -> None:
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    text = "\n".join(["a0: &a0 [x, x]", *lines])
    assert "expected at most 20,000 values, received more" in refusal(text)


def test_nothing_but_comments_is_no_document() -> None:
    source = Source("f", Path("/"))
    assert parse("", source) is None
    assert parse("# only this\n\n", source) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f.yaml: expected a mapping of keys to values, received an empty file"),
        (b"# nothing\n", "f.yaml: expected a mapping of keys to values, received an empty file"),
        (b"- a\n", "f.yaml:1: expected a mapping of keys to values, received a list"),
        (b"\nword\n", "f.yaml:2: expected a mapping of keys to values, received 'word'"),
        (b"null\n", "f.yaml:1: expected a mapping of keys to values, received nothing (null)"),
        (
            b"a: 1\nb: \xff\n",
            "f.yaml:2: expected UTF-8 text, received the byte 0xff; save the file",
        ),
        (b"a: 1\n" * 300_000, "f.yaml: expected a configuration of at most 1 MiB, received more"),
    ],
)
def test_refuses_the_content_of_a_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(path, name="f.yaml")
    assert str(caught.value).startswith(message)


def test_reads_a_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: \xc3\xa9\r\n")
    document = read(path, name="f.yaml")
    assert document.values == {"a": 1, "b": "é"}
    assert document.place(("b",)).line == 2


def test_reads_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a: 1\n",))
    writer.start()
    assert read(pipe, name="pipe").values == {"a": 1}
    writer.join()


def test_refuses_what_is_no_file(tmp_path: Path) -> None:
    for path, message in {
        tmp_path / "none.yaml": "expected a YAML file, received a path that does not exist",
        tmp_path: "expected a YAML file, received a directory",
        Path("a\0b"): "expected a file that can be read, received: embedded null",
        tmp_path / ("x" * 300): "expected a file that can be read, received: File name too long",
    }.items():
        with pytest.raises(ConfigError) as caught:
            read(path, name="f.yaml")
        assert str(caught.value).startswith(f"f.yaml: {message}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_refuses_a_file_it_may_not_read(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(ConfigError, match="expected a file that can be read, received: Permission"):
        read(path, name="f.yaml")


def test_the_largest_allowed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    text = "a: 1\n#"
    path.write_text(text + "x" * (documents.MOST_BYTES - len(text)))
    assert read(path, name="f.yaml").values == {"a": 1}
