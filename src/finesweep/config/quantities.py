"""Times and sizes as people write them: ``1h30m``, ``20GB``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from finesweep.config.base import Words

_DURATION = re.compile(
    r"(?=[\d.])(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?"
)
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[kMGT]?)B", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def _seconds(value: object) -> object:
    """``1h30m`` → 5400.0. What is no duration is handed on, for pydantic to refuse."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    hours, minutes, seconds = (float(found[unit] or 0) for unit in "hms")
    return hours * 3600 + minutes * 60 + seconds


def _bytes(value: object) -> object:
    """``20GB`` → 20_000_000_000. What is no size is handed on, for pydantic to refuse."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return value
    return round(float(found["number"]) * _UNITS[found["unit"].lower()])


def size_in_words(size: float) -> str:
    """A number of bytes for people: ``3.1 GB``."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} B"


def duration_in_words(seconds: float) -> str:
    """A time for people: ``42 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


Seconds = Annotated[
    float,
    Field(gt=0.0),
    BeforeValidator(_seconds),
    Words("a time above zero, in seconds or as 90s, 30m, 2h or 1h30m"),
]

Bytes = Annotated[
    int,
    Field(gt=0),
    BeforeValidator(_bytes),
    Words("a size above zero, in bytes or as 500MB, 20GB or 1.5TB"),
]
