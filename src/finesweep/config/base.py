"""What every configuration model shares: strict types, no unknown keys, nothing changed after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

KeyPath = tuple[str | int, ...]


class StrictModel(BaseModel):
    """A frozen pydantic model that converts nothing silently and knows all its keys.

    A string below a field is its description, and becomes its line in ``docs/configuration.md``.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True)
class Words:
    """Metadata of an annotated type: what a message or the reference calls a value of it."""

    text: str


@dataclass(frozen=True)
class Problem:
    """A mistake a validator found: the keys that lead to it from the validated model, and why.

    ``against`` is the key it does not go with. Either may be the one to change: if that one was set
    on the command line, the message names it instead.
    """

    at: KeyPath
    message: str
    against: KeyPath | None = None


def reject(problems: Sequence[Problem]) -> None:
    """Raise all ``problems`` as one pydantic error; do nothing when there are none.

    A validator that compares fields knows which of them is wrong, but pydantic would blame the
    model as a whole: the paths travel in the error's context instead.
    """
    if problems:
        text = "; ".join(problem.message for problem in problems)
        context = {"text": text, "problems": tuple(problems)}
        raise PydanticCustomError("finesweep", "{text}", context)


def shown(value: object) -> str:
    """``value`` as a message quotes it: the way YAML writes it, cut when it is long."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:77] + "...")
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
