"""The models as a tree that can be walked: which keys stand where, and what each expects.

Messages, overrides and the reference all ask the same questions of the models; pydantic answers
them through annotations, which this module alone takes apart.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import Tag
from pydantic.fields import FieldInfo

from finesweep.config.base import KeyPath, StrictModel, Words


@dataclass(frozen=True)
class Slot:
    """A place in the tree and the annotation of what stands there.

    ``discriminator`` is the key that names the variant of a union of models, where a key does. The
    tag of a variant is what pydantic puts into the path of an error in it; a single model has none.
    ``required`` says whether the key must be there.
    """

    annotation: Any
    discriminator: str | None = None
    required: bool = True

    @property
    def variants(self) -> dict[str | None, type[StrictModel]]:
        """The models a mapping here may be, by tag, in the order in which they are declared."""
        return dict(_models(self.annotation, self.discriminator))

    @property
    def is_union(self) -> bool:
        """Whether different models can stand here."""
        return len(self.variants) > 1

    @property
    def is_leaf(self) -> bool:
        """Whether a single value stands here, and nothing below it."""
        origins = {get_origin(part) for part in _parts(self.annotation)}
        return not self.variants and not origins & {tuple, dict}

    def child(self, key: str | int) -> Slot | None:
        """What stands under ``key``; None where no such key is known.

        Under a union every variant is asked, as they agree on the keys they share well enough.
        """
        for model in self.variants.values():
            field = fields(model).get(str(key))
            if field is not None:
                return slot_of(field)
        for part in _parts(self.annotation):
            if get_origin(part) is tuple and isinstance(key, int):
                return Slot(get_args(part)[0])
            if get_origin(part) is dict:
                return Slot(get_args(part)[1])
        return None


def fields(model: type[StrictModel]) -> dict[str, FieldInfo]:
    """The fields of ``model`` by the key a file writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def slot_of(field: FieldInfo) -> Slot:
    """The slot a field fills."""
    annotation: Any = field.annotation
    for item in field.metadata:
        annotation = Annotated[annotation, item]
    discriminator = field.discriminator
    return Slot(
        annotation,
        discriminator=discriminator if isinstance(discriminator, str) else None,
        required=field.is_required(),
    )


def find(root: type[StrictModel], path: KeyPath) -> Slot | None:
    """The slot that ``path`` leads to from ``root``; None where it leads nowhere."""
    slot: Slot | None = Slot(root)
    for key in path:
        slot = slot.child(key) if slot is not None else None
    return slot


def paths_named(root: type[StrictModel], key: str) -> list[str]:
    """Every dotted path below ``root`` that ends in ``key``."""
    return [path for path in _all_paths(Slot(root)) if path.rpartition(".")[2] == key]


def _all_paths(slot: Slot, prefix: str = "") -> Iterator[str]:
    keys = {key: field for model in slot.variants.values() for key, field in fields(model).items()}
    for key, field in keys.items():
        yield prefix + key
        yield from _all_paths(slot_of(field), f"{prefix}{key}.")


def words(annotation: Any) -> str:
    """What a message calls a value of ``annotation``: ``a whole number (1 to 4096)``."""
    parts = _parts(annotation)
    metadata = list(_metadata(annotation))
    for item in metadata:
        if isinstance(item, Words):
            return item.text
    # None is never what a message asks for, though it may be allowed.
    nouns = [_noun(part) for part in parts if part is not type(None)]
    bounds = _bounds(parts, metadata)
    return " or ".join(dict.fromkeys(nouns)) + (f" ({bounds})" if bounds else "")


def options(annotation: Any) -> list[str]:
    """The values ``annotation`` lists, if it lists its values."""
    literals = [part for part in _parts(annotation) if get_origin(part) is Literal]
    return [str(option) for literal in literals for option in get_args(literal)]


def _noun(part: Any) -> str:
    origin = get_origin(part)
    if origin is Literal:
        listed = options(part)
        return listed[0] if len(listed) == 1 else "one of " + ", ".join(listed)
    if origin is tuple:
        return f"a list, each item {words(get_args(part)[0])}"
    if origin is dict or (isinstance(part, type) and issubclass(part, StrictModel)):
        return "a mapping"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[part]


def _bounds(parts: list[Any], metadata: list[Any]) -> str:
    """``1 to 4096``, ``above 0, at most 1``, ``not empty``: the limits pydantic was given."""
    limits: dict[str, str] = {}
    for item in metadata:
        if isinstance(item, Gt):
            limits["above"] = f" {_number(item.gt)}"
        elif isinstance(item, Ge):
            limits["at least"] = f" {_number(item.ge)}"
        elif isinstance(item, Lt):
            limits["below"] = f" {_number(item.lt)}"
        elif isinstance(item, Le):
            limits["at most"] = f" {_number(item.le)}"
        elif isinstance(item, MinLen) and str in parts:
            limits["not empty"] = ""
    if "at least" in limits and "at most" in limits:
        return f"{limits['at least'].strip()} to {limits['at most'].strip()}"
    return ", ".join(name + limit for name, limit in limits.items())


def _number(limit: object) -> str:
    """A limit without the point of a whole float: 1, not 1.0."""
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _parts(annotation: Any) -> list[Any]:
    """The types an annotation allows, with unions and ``Annotated`` taken apart."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [part for argument in get_args(annotation) for part in _parts(argument)]
    return [annotation]


def _metadata(annotation: Any) -> Iterator[Any]:
    """The metadata of an annotation and of its union members, ``Field(...)`` taken apart."""
    if get_origin(annotation) is Annotated:
        inner, *items = get_args(annotation)
        yield from _metadata(inner)
        for item in items:
            yield from item.metadata if isinstance(item, FieldInfo) else [item]
    elif get_origin(annotation) in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _metadata(argument)


def _models(
    annotation: Any, discriminator: str | None, tag: str | None = None
) -> Iterator[tuple[str | None, type[StrictModel]]]:
    """The models in an annotation, each with the tag pydantic puts into its errors' paths."""
    if get_origin(annotation) is Annotated:
        inner, *items = get_args(annotation)
        tag = next((item.tag for item in items if isinstance(item, Tag)), tag)
        yield from _models(inner, discriminator, tag)
    elif get_origin(annotation) in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _models(argument, discriminator, tag)
    elif isinstance(annotation, type) and issubclass(annotation, StrictModel):
        if discriminator is not None:
            tag = get_args(annotation.model_fields[discriminator].annotation)[0]
        yield tag, annotation
