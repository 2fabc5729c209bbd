"""What was found at a source, before anybody asked whether it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Scalar = bool | int | float | str | None

# Why a trial does not come in, in words that follow a number of trials.
FAILED = "had failed"
PRUNED = "had been pruned"
NOT_ENDED = "had not ended"


@dataclass(frozen=True, kw_only=True)
class FoundTrial:
    """A trial of earlier work, as its source has it.

    ``name`` is what its source calls it, ``run_id`` its MLflow run, where it has one. ``unusable``
    says why a trial is none to learn from, whatever its values; None for one that completed.
    """

    name: str
    params: Mapping[str, Any]
    value: float | None
    run_id: str | None = None
    unusable: str | None = None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A source that was read: what people call it, its trials, and what they should know of it."""

    source: str
    trials: tuple[FoundTrial, ...]
    notes: tuple[str, ...] = ()
