"""What may lie in the outbox: everything that can be said of a run once it exists.

Each kind of content can be delivered twice with the same effect as once. Its timestamp is taken
when it is put in, not when it is delivered, so that even a point of a curve is the same point.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from finesweep.tracking.ending import RunStatus


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Values at one step; not-a-number and infinity are values too."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Params:
    """Hyperparameters, which never change."""

    values: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Tags; the newest value stands."""

    values: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text, kept as the artifact ``path``."""

    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A packaged model: a folder's name among the outbox's models."""

    folder: str


@dataclass(frozen=True, kw_only=True)
class ModelRemoval:
    """The model is to go, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class End:
    """The run ended when this was put in; without a reason, one that is on record goes."""

    status: RunStatus
    ending: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Reopening:
    """The run goes on: its status is RUNNING, and how it ended before is no longer on record."""


Content = Metrics | Params | Tags | Text | Model | ModelRemoval | End | Reopening

_KINDS: dict[str, type[Content]] = {
    "metrics": Metrics,
    "params": Params,
    "tags": Tags,
    "text": Text,
    "model": Model,
    "model_removal": ModelRemoval,
    "end": End,
    "reopening": Reopening,
}
_NAMES = {content: name for name, content in _KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to deliver, in the order of ``number``.

    ``timestamp`` is when it was put in, in milliseconds since 1970.
    """

    number: int
    run_id: str
    timestamp: int
    content: Content


def written(content: Content) -> tuple[str, str]:
    """The kind's name, and the content as JSON."""
    return _NAMES[type(content)], json.dumps(asdict(content))


def read(kind: str, text: str) -> Content:
    """The content that was written so.

    Raises:
        LookupError, TypeError, ValueError: no version of finesweep wrote this.
    """
    return _KINDS[kind](**json.loads(text))
