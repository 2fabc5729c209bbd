"""The bundled sample headlines keep the shape that the rest of the project relies on."""

from __future__ import annotations

import json
from importlib.resources import files
from statistics import fmean

import pytest

Row = tuple[str, int]


@pytest.fixture(scope="module")
def text() -> str:
    resource = files("finesweep.data") / "samples/headlines.json"
    return resource.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows(text: str) -> list[Row]:
    return [(item["headline"], item["is_sarcastic"]) for item in json.loads(text)]


def _normalise(headline: str) -> str:
    return " ".join(headline.casefold().split())


def _words(headline: str) -> int:
    return len(headline.split())


def test_schema_is_exactly_headline_and_label(text: str) -> None:
    items: object = json.loads(text)
    assert isinstance(items, list)
    for item in items:
        assert isinstance(item, dict)
        assert set(item) == {"headline", "is_sarcastic"}
        assert type(item["headline"]) is str
        assert type(item["is_sarcastic"]) is int
        assert item["is_sarcastic"] in (0, 1)


def test_one_object_a_line(text: str) -> None:
    lines = text.splitlines()
    assert lines[0] == "["
    assert lines[-1] == "]"
    body = lines[1:-1]
    assert len(body) == len(json.loads(text))
    assert all(isinstance(json.loads(line.removesuffix(",")), dict) for line in body)


def test_at_least_a_thousand_rows(rows: list[Row]) -> None:
    assert len(rows) >= 1_000


def test_classes_are_balanced(rows: list[Row]) -> None:
    assert 0.45 <= fmean(label for _, label in rows) <= 0.55


def test_classes_are_interleaved(rows: list[Row]) -> None:
    # A plain head-of-file slice, as a quick demo takes, must see both classes.
    assert 0.3 <= fmean(label for _, label in rows[:100]) <= 0.7


def test_no_headline_twice(rows: list[Row]) -> None:
    seen = [_normalise(headline) for headline, _ in rows]
    repeated = {headline for headline in seen if seen.count(headline) > 1}
    assert not repeated


def test_headlines_have_3_to_30_words(rows: list[Row]) -> None:
    odd = [headline for headline, _ in rows if not 3 <= _words(headline) <= 30]
    assert not odd


def test_headlines_are_trimmed_and_lower_case(rows: list[Row]) -> None:
    odd = [headline for headline, _ in rows if headline != headline.strip().lower()]
    assert not odd


def test_length_does_not_give_the_class_away(rows: list[Row]) -> None:
    plain = fmean(_words(headline) for headline, label in rows if label == 0)
    satire = fmean(_words(headline) for headline, label in rows if label == 1)
    assert abs(plain - satire) <= 1.5
