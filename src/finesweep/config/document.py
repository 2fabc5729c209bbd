"""YAML text as plain values that remember where each of them was written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finesweep.config.base import KeyPath, shown
from finesweep.errors import ConfigError, Location

# A configuration is a page; what is larger is another file, most likely the data.
MOST_BYTES = 1024 * 1024
# Aliases of aliases grow exponentially: a page of YAML can stand for terabytes.
MOST_VALUES = 20_000

_TAG = "tag:yaml.org,2002:"
# What ruamel adds to YAML 1.2: dates, ``=`` and ``<<`` are text, as the standard says.
_TEXT_TAGS = {_TAG + name for name in ("str", "timestamp", "value", "merge")}
_SCALAR_TAGS = {_TAG + name for name in ("int", "float", "bool", "null")}


@dataclass(frozen=True)
class Source:
    """A file, or a ``--set``, which has no lines. Relative paths in it start at ``folder``."""

    name: str
    folder: Path
    has_lines: bool = True

    def place(self, line: int | None = None) -> Place:
        """The place of what stands on ``line``, counted from 1."""
        return Place(self, line if self.has_lines else None)

    def error(self, message: str, *, line: int | None = None) -> ConfigError:
        """A mistake that is about no field yet."""
        return ConfigError(message, at=Location(file=self.name, line=self.place(line).line))


@dataclass(frozen=True)
class Place:
    """Where a value was written.

    ``grafted_at`` is the path in the whole document under which the source was put: a message
    names a field as the source itself writes it.
    """

    source: Source
    line: int | None = None
    grafted_at: KeyPath = ()

    def location(self, path: KeyPath) -> Location:
        """The place of the value at ``path`` of the whole document, for an error."""
        field = ".".join(map(str, path[len(self.grafted_at) :])) or None
        return Location(file=self.source.name, line=self.line, field=field)


@dataclass
class Document:
    """Plain values, and the place of each; a path without a place stands where its parent does."""

    values: Any
    places: dict[KeyPath, Place]

    def place(self, path: KeyPath) -> Place:
        """Where the value at ``path``, or the nearest one above it, was written."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def get(self, path: KeyPath) -> Any:
        """The value at ``path``; None where there is none."""
        value = self.values
        for key in path:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value

    def put(self, path: KeyPath, value: Any, place: Place) -> None:
        """Set the value at ``path``, whose parent must be a mapping or a long enough list."""
        self.get(path[:-1])[path[-1]] = value
        for inner in [inner for inner in self.places if inner[: len(path)] == path]:
            del self.places[inner]
        self.places[path] = place

    def graft(self, path: KeyPath, other: Document) -> None:
        """Put the whole of ``other`` at ``path``."""
        self.put(path, other.values, other.place(()))
        for inner, place in other.places.items():
            self.places[path + inner] = replace(place, grafted_at=path + place.grafted_at)


def read(path: Path, *, name: str) -> Document:
    """Read a YAML file whose top level is a mapping; messages call the file ``name``.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or holds no mapping.
    """
    source = Source(name, path.absolute().parent)
    document = parse(_text(path, source), source)
    if document is None:
        raise source.error("expected a mapping of keys to values, received an empty file")
    if not isinstance(document.values, dict):
        message = f"expected a mapping of keys to values, received {shown(document.values)}"
        raise source.error(message, line=document.place(()).line)
    return document


def _text(path: Path, source: Source) -> str:
    """The text of a file, refused when it cannot be a configuration."""
    try:
        # Read a bounded amount rather than ask for the size: a pipe has none.
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError as exc:
        raise source.error("expected a YAML file, received a path that does not exist") from exc
    except IsADirectoryError as exc:
        raise source.error("expected a YAML file, received a directory") from exc
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise source.error(f"expected a file that can be read, received: {reason}") from exc
    if len(content) > MOST_BYTES:
        message = "expected a configuration of at most 1 MiB, received more; is this the data file?"
        raise source.error(message)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        byte = content[exc.start]
        message = f"expected UTF-8 text, received the byte 0x{byte:02x}; save the file as UTF-8"
        raise source.error(message, line=content.count(b"\n", 0, exc.start) + 1) from exc


def parse(text: str, source: Source) -> Document | None:
    """Parse YAML 1.2; None when there is nothing but space and comments.

    Raises:
        ConfigError: a syntax error, a key that stands twice, or a tag of another type.
    """
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
        if node is None:
            return None
        builder = _Builder(source)
        values = builder.build(node, ())
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark is not None else None
        problem = ", ".join(part for part in (exc.context, exc.problem) if part)
        if exc.context_mark is not None and line != exc.context_mark.line + 1 and source.has_lines:
            problem += f" (begun on line {exc.context_mark.line + 1})"
        raise source.error(f"expected YAML, received a syntax error: {problem}", line=line) from exc
    except YAMLError as exc:
        reason = str(exc).splitlines()[0]
        raise source.error(f"expected YAML, received {reason}") from exc
    except RecursionError as exc:
        raise source.error("expected a few levels of nesting, received hundreds") from exc
    return Document(values, builder.places)


class _Builder:
    """Turns ruamel's nodes into dicts, lists and scalars, and notes the line of each."""

    def __init__(self, source: Source) -> None:
        self.places: dict[KeyPath, Place] = {}
        self._source = source
        self._constructor = YAML(typ="safe", pure=True).constructor
        self._open: set[int] = set()
        self._built = 0

    def build(self, node: Node, path: KeyPath, line: int | None = None) -> Any:
        """The value of ``node``; ``line`` is that of its key, if it has one."""
        line = line or _line(node)
        self.places[path] = self._source.place(line)
        self._built += 1
        if self._built > MOST_VALUES:
            message = f"expected at most {MOST_VALUES:,} values, received more; use fewer aliases"
            raise self._source.error(message, line=line)
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            message = "expected a value, received an alias of what it stands in"
            raise self._source.error(message, line=line)
        self._open.add(id(node))
        value = self._collection(node, path)
        self._open.remove(id(node))
        return value

    def _collection(self, node: Node, path: KeyPath) -> Any:
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if not isinstance(node, MappingNode) or node.tag != _TAG + "map":
            raise self._unknown_tag(node)
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if not isinstance(key_node, ScalarNode):
                message = "expected text as a key, received a list or a mapping"
                raise self._source.error(message, line=line)
            key = self._scalar(key_node)
            if key in values:
                first = self.places[(*path, key)].line
                where = f", on line {first}," if first is not None else ""
                message = f"expected the key {key!r} once, received it before{where} and here again"
                raise self._source.error(message, line=line)
            values[key] = self.build(value_node, (*path, key), line)
        return values

    def _scalar(self, node: ScalarNode) -> Any:
        if node.tag in _TEXT_TAGS:
            return node.value
        if node.tag not in _SCALAR_TAGS:
            raise self._unknown_tag(node)
        try:
            return self._constructor.construct_object(node)
        except (ValueError, KeyError) as exc:
            kind = node.tag.removeprefix(_TAG)
            message = f"expected a value of YAML's type {kind}, received {shown(node.value)}"
            raise self._source.error(message, line=_line(node)) from exc

    def _unknown_tag(self, node: Node) -> ConfigError:
        tag = str(node.tag).replace(_TAG, "!!")
        message = (
            f"expected text, numbers, lists and mappings, received the tag {tag}; leave it out"
        )
        return self._source.error(message, line=_line(node))


def _line(node: Node) -> int:
    """The line, from 1, on which ``node`` begins."""
    return int(node.start_mark.line) + 1
