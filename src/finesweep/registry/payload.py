"""What is wrong with a scoring request, said before MLflow reads it.

MLflow turns whatever stands under ``inputs`` or ``instances`` into strings, so that a null would be
classified as the text 'None', and reports bytes that are not JSON in a quoted exception.
"""

from __future__ import annotations

import json
from typing import Any

from finesweep.registry.columns import TEXT

_FIELDS = ("dataframe_split", "dataframe_records", "inputs", "instances")


def problem(body: bytes) -> str | None:
    """One line that says what to change in a JSON body, or None when MLflow can have it."""
    try:
        payload = json.loads(body)
    except UnicodeDecodeError as exc:
        return f"expected UTF-8: {exc.reason} at byte {exc.start}"
    except ValueError as exc:
        return f"expected JSON: {exc}"
    except RecursionError:
        return "expected a JSON object of texts, received one that is nested too deeply"
    present = [name for name in _FIELDS if name in payload] if isinstance(payload, dict) else []
    if len(present) != 1:
        received = " and ".join(present) or "none of them"
        return f"expected a JSON object with one of {', '.join(_FIELDS)}; received {received}"
    for name in ("inputs", "instances"):
        if name in payload:
            return _wrong_text(payload[name])
    return None


def _wrong_text(values: Any) -> str | None:
    """The first row under ``inputs`` or ``instances`` that is not a text."""
    if isinstance(values, dict):
        column = values.get(TEXT)
        rows = column if isinstance(column, list) else [column]
    elif isinstance(values, list):
        rows = [row.get(TEXT) if isinstance(row, dict) else row for row in values]
    else:
        return f"expected a list of texts, received {json.dumps(values)[:80]}"
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, str):
            return f"row {number}: expected a text, received {json.dumps(row)[:80]}"
    return None
