"""What pydantic found wrong, as one error that speaks of the user's files."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from finesweep.config.base import KeyPath, Problem, StrictModel, shown
from finesweep.config.document import Document
from finesweep.config.schema import Slot, fields, find, options, paths_named, words
from finesweep.errors import ConfigError, Location


def config_error(
    failure: ValidationError, root: type[StrictModel], document: Document
) -> ConfigError:
    """The mistakes of ``document`` as one error: the first as its message, the others below it."""
    found: dict[tuple[Location, str], None] = {}
    for details in failure.errors(include_url=False):
        for problem in _problems(details, root, document):
            path = _written(_to_blame(problem, document), document)
            found[document.place(path).location(path), problem.message] = None
    (at, message), *others = sorted(found, key=_reading_order)
    lines = [message, *(f"also {ConfigError(text, at=place)}" for place, text in others)]
    return ConfigError("\n".join(lines), at=at)


def _reading_order(found: tuple[Location, str]) -> tuple[str, int]:
    """Mistakes in the order in which the user meets them in his files."""
    at, _ = found
    return at.file or "", at.line or 0


@dataclass(frozen=True)
class _Spot:
    """Where a pydantic error is: the path in the document, and what the models expect there."""

    path: KeyPath
    slot: Slot | None
    parent: Slot | None
    is_key: bool = False


def _locate(root: type[StrictModel], loc: tuple[int | str, ...]) -> _Spot:
    """Pydantic's path without the union variants it names on its way."""
    path: KeyPath = ()
    slot: Slot | None = Slot(root)
    parent: Slot | None = None
    for part in loc:
        if part == "[key]":
            return _Spot(path, None, parent, is_key=True)
        if slot is not None and slot.is_union and part in slot.variants:
            slot = Slot(slot.variants[str(part)])
            continue
        if slot is not None and slot.is_leaf:
            break  # What pydantic names below a value is the kind of value that it tried.
        path = (*path, part)
        parent, slot = slot, slot.child(part) if slot is not None else None
    return _Spot(path, slot, parent)


def _problems(details: ErrorDetails, root: type[StrictModel], document: Document) -> list[Problem]:
    """One of pydantic's errors in our words; none if it only repeats another."""
    spot = _locate(root, details["loc"])
    kind, received = details["type"], details["input"]
    if kind == "finesweep":
        given: tuple[Problem, ...] = details["ctx"]["problems"]
        return [_below(spot.path, problem) for problem in given]
    if kind == "too_short":
        # Items that were refused do not count, but each is reported by itself.
        message = "expected at least one item, received an empty list"
        return [] if len(received) > 0 else [Problem(spot.path, message)]
    path = spot.path
    if kind == "union_tag_invalid" and spot.slot is not None:
        path = (*path, spot.slot.discriminator or "")
    return [Problem(path, _message(kind, received, spot, root=root, document=document))]


def _below(path: KeyPath, problem: Problem) -> Problem:
    """A validator's problem, seen from the root."""
    against = None if problem.against is None else path + problem.against
    return Problem(path + problem.at, problem.message, against)


def _to_blame(problem: Problem, document: Document) -> KeyPath:
    """Of two keys that do not go together, the one from the command line, which is newer."""
    if problem.against is not None and not document.place(problem.against).source.has_lines:
        return problem.against
    return problem.at


def _message(
    kind: str, received: Any, spot: _Spot, *, root: type[StrictModel], document: Document
) -> str:
    if kind == "extra_forbidden":
        return _unknown_key(spot, root, document)
    if kind == "missing":
        expected = words(spot.slot.annotation) if spot.slot is not None else "a value"
        return f"expected {expected}, received nothing; add the key '{spot.path[-1]}'"
    if kind == "invalid_key":
        return f"expected text as a key, received {shown(received)}"
    if spot.is_key:
        return f"expected a label, whole number or text, received {shown(received)}"
    if spot.slot is None:
        return f"expected another value, received {shown(received)}"
    if kind.startswith("union_tag") and spot.slot.discriminator is not None:
        return _wrong_tag(spot.slot, received)
    expected = words(spot.slot.annotation)
    return f"expected {expected}, received {shown(received)}{_hint(kind, spot.slot, received)}"


def _unknown_key(spot: _Spot, root: type[StrictModel], document: Document) -> str:
    """Name the nearest key that is known there, or the places where this one is."""
    key = str(spot.path[-1])
    valid = _keys(spot.parent)
    near = get_close_matches(key.lower().replace("-", "_"), valid, n=1)
    hint = _meant(near) or _other_places(spot.path, root, document)
    return f"expected a known key, received '{key}'; {hint}the keys here are {', '.join(valid)}"


def _meant(names: list[str]) -> str:
    return f"did you mean {' or '.join(names)}? " if names else ""


def _keys(slot: Slot | None) -> list[str]:
    """The keys a mapping at ``slot`` may have, whichever its variant."""
    models = slot.variants.values() if slot is not None else ()
    return list(dict.fromkeys(key for model in models for key in fields(model)))


def _other_places(path: KeyPath, root: type[StrictModel], document: Document) -> str:
    """Where the last key of ``path`` is known: in a sibling of this variant, or on other paths."""
    key = str(path[-1])
    union = find(root, path[:-1])
    if union is not None and key in _keys(union):
        tag = next(tag for tag, model in union.variants.items() if key in fields(model))
        variant = f"{union.discriminator}: {tag}" if union.discriminator else str(tag)
        return f"it belongs to {variant}; "
    above = "".join(f"{part}." for part in document.place(path).grafted_at)
    paths = [known for known in paths_named(root, key) if known.startswith(above)]
    return _meant([known.removeprefix(above) for known in paths[:2]])


def _wrong_tag(slot: Slot, received: Any) -> str:
    """A union whose variant is not named, or named wrongly."""
    key = slot.discriminator or ""
    tags = [str(tag) for tag in slot.variants]
    expected = f"expected '{key}' to be one of {', '.join(tags)}"
    if key not in received:
        return f"{expected}, received no '{key}'; add it"
    tag = received[key]
    return f"{expected}, received {shown(tag)}{_nearest(tag, tags)}"


def _hint(kind: str, slot: Slot, received: Any) -> str:
    """How to write what was probably meant."""
    if received is None:
        return "; give a value" if slot.required else "; give a value, or leave the key out"
    if kind == "literal_error":
        return _nearest(received, options(slot.annotation))
    if kind == "string_type" and isinstance(received, bool | int | float):
        return "; put it in quotes"
    if kind in ("int_type", "float_type") and isinstance(received, str) and _is_number(received):
        return "; leave out the quotes"
    if kind.startswith("model_") and isinstance(received, str | int | float):
        return f"; its keys are {', '.join(_keys(slot))}"
    return ""


def _nearest(received: Any, names: list[str]) -> str:
    by_lower = {name.lower(): name for name in names}
    near = get_close_matches(str(received).lower(), list(by_lower), n=1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _written(path: KeyPath, document: Document) -> KeyPath:
    """``path`` without what only validation put there: ``epochs: 3`` has no ``choices``."""
    for length in range(len(path)):
        if not isinstance(document.get(path[:length]), dict | list | None):
            return path[:length]
    return path
