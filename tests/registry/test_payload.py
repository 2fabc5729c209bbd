from __future__ import annotations

import json
from typing import Any

import pytest

from finesweep.registry.payload import problem


@pytest.mark.parametrize(
    "payload",
    [
        {"dataframe_split": {"columns": ["text"], "data": [["a"]]}},
        {"dataframe_records": [{"text": "a"}]},
        {"inputs": ["a", ""]},
        {"inputs": {"text": ["a"]}},
        {"inputs": {"text": "a"}},
        {"inputs": []},
        {"instances": [{"text": "a", "other": None}]},
        {"instances": ["a"], "params": {}},
    ],
)
def test_what_mlflow_can_have(payload: Any) -> None:
    assert problem(json.dumps(payload).encode()) is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "expected JSON: "),
        (b"{nope", "expected JSON: Expecting property name"),
        (b'{"inputs": ["\xff"]}', "expected UTF-8: invalid start byte at byte 13"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "received none of them"),
        (b'{"data": 1}', "expected a JSON object with one of dataframe_split"),
        (b'{"inputs": [], "instances": []}', "received inputs and instances"),
        (b'{"inputs": ["a", null]}', "row 2: expected a text, received null"),
        (b'{"inputs": {"text": ["a", 3]}}', "row 2: expected a text, received 3"),
        (b'{"inputs": {"texts": ["a"]}}', "row 1: expected a text, received null"),
        (b'{"instances": [{"text": null}]}', "row 1: expected a text, received null"),
        (b'{"instances": [["a"]]}', 'row 1: expected a text, received ["a"]'),
        (b'{"inputs": "a"}', 'expected a list of texts, received "a"'),
    ],
)
def test_what_is_wrong(body: bytes, message: str) -> None:
    found = problem(body)
    assert found is not None
    assert message in found
    assert "\n" not in found
