"""``--set a.b=c``: values from the command line, laid over what a file says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finesweep.config.base import KeyPath, StrictModel, shown
from finesweep.config.document import Document, Source, parse
from finesweep.config.schema import Slot, fields, find
from finesweep.errors import ConfigError, Location


@dataclass(frozen=True)
class Override:
    """One ``--set``: the keys, the value they are given, and how messages name it."""

    path: KeyPath
    value: Any
    source: Source

    def error(self, message: str, path: KeyPath) -> ConfigError:
        """A mistake in this override, about the field at ``path``."""
        field = ".".join(map(str, path)) or None
        return ConfigError(message, at=Location(file=self.source.name, field=field))


def parse_override(text: str) -> Override:
    """Parse ``a.b=c``; ``c`` is YAML, so lists, mappings and ``null`` are allowed.

    A key of digits is an item of a list, or a label of ``label_names``.

    Raises:
        ConfigError: there is no ``=``, an empty key, or a value that is no YAML.
    """
    source = Source(f"--set {text}", Path.cwd(), has_lines=False)
    dotted, equals, written = text.partition("=")
    keys = [key.strip() for key in dotted.split(".")]
    if not equals or not all(keys):
        raise source.error("expected KEY=VALUE, such as epochs=3 or data.path=headlines.json")
    document = parse(written, source)
    if document is None:
        message = "expected a value after '=', received none; write null to unset, '' for no text"
        raise source.error(message)
    path = tuple(int(key) if key.isdecimal() else key for key in keys)
    return Override(path, document.values, source)


def apply(override: Override, document: Document, root: type[StrictModel]) -> None:
    """Set the override's value in ``document``; mappings on the way are made where missing.

    Where it picks another variant of a union (``pruner.name=none``, or ``choices`` in place of a
    range), the keys the new variant does not know are dropped: they belonged to the old one.

    Raises:
        ConfigError: the path leads through a single value, or beside a list.
    """
    for length in range(1, len(override.path)):
        _open_mapping(override, document, override.path[:length], root=root)
    path = _existing(override.path, document)
    parent = document.get(path[:-1])
    if isinstance(parent, list):
        _check_index(override, parent, path)
    document.put(path, override.value, override.source.place())
    if isinstance(parent, dict):
        _drop_other_variants(find(root, path[:-1]), parent, str(path[-1]))


def _open_mapping(
    override: Override, document: Document, path: KeyPath, *, root: type[StrictModel]
) -> None:
    """Make sure that keys can be set below ``path``."""
    parent = document.get(path[:-1])
    if isinstance(parent, list):
        _check_index(override, parent, path)
    value = document.get(path)
    if value is None:
        document.put(path, _beginning(root, path), override.source.place())
    elif not isinstance(value, dict | list):
        message = f"expected a mapping to set keys in, received {shown(value)} there"
        raise override.error(message, path)


def _beginning(root: type[StrictModel], path: KeyPath) -> dict[str, Any]:
    """A new mapping at ``path``; where the default is one variant of a union, it is that one."""
    slot, above = find(root, path), find(root, path[:-1])
    if slot is None or above is None or slot.discriminator is None:
        return {}
    for model in above.variants.values():
        field = fields(model).get(str(path[-1]))
        if field is not None and isinstance(field.default, StrictModel):
            return {slot.discriminator: getattr(field.default, slot.discriminator)}
    return {}


def _check_index(override: Override, parent: list[Any], path: KeyPath) -> None:
    index = path[-1]
    if not isinstance(index, int) or index >= len(parent):
        message = f"expected an item that exists ({len(parent)}, counted from 0), received {index}"
        raise override.error(message, path[:-1])


def _existing(path: KeyPath, document: Document) -> KeyPath:
    """``path`` with a last key of digits as text, where that is how the file writes it."""
    parent, key = document.get(path[:-1]), path[-1]
    if isinstance(parent, dict) and key not in parent and str(key) in parent:
        return (*path[:-1], str(key))
    return path


def _drop_other_variants(slot: Slot | None, mapping: dict[Any, Any], key: str) -> None:
    """After ``key`` was set in a union's mapping, drop what the variant it picks does not know."""
    if slot is None or not slot.is_union:
        return
    if slot.discriminator is None:
        picked = next((model for model in slot.variants.values() if key in fields(model)), None)
    elif key == slot.discriminator:
        tag = mapping[key]
        picked = slot.variants.get(tag) if isinstance(tag, str) else None
    else:
        return
    if picked is not None:
        for other in [other for other in mapping if other not in fields(picked)]:
            del mapping[other]
