"""A validated configuration as YAML or plain values, and how two of them differ."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from finesweep.config.base import StrictModel, shown

# ruamel leaves text such as `:0` bare inside `{…}`, where no reader, ruamel included, takes it.
_PLAIN = re.compile(r"[A-Za-z0-9/._]([A-Za-z0-9/._ -]*[A-Za-z0-9/._-])?")


class _Representer(SafeRepresenter):
    """Writes numbers and text so that every YAML reader takes them for what they are."""

    def represent_exact_float(self, value: float) -> ScalarNode:
        # YAML 1.1 readers take 5e-05 for text: it wants a point before the exponent.
        text = repr(value)
        if "e" in text and "." not in text:
            text = text.replace("e", ".0e")
        node: ScalarNode = self.represent_scalar("tag:yaml.org,2002:float", text)
        return node

    def represent_quoted_text(self, value: str) -> ScalarNode:
        style = None if _PLAIN.fullmatch(value) else '"'
        node: ScalarNode = self.represent_scalar("tag:yaml.org,2002:str", value, style=style)
        return node


_Representer.add_representer(float, _Representer.represent_exact_float)
_Representer.add_representer(str, _Representer.represent_quoted_text)


def to_yaml(config: StrictModel) -> str:
    """The configuration with every default written out; loads as an equal configuration.

    What is unset is left out: it has no value, and its default is to be unset.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    # The innermost mappings and lists on one line each, as people write them.
    yaml.default_flow_style = None
    yaml.representer.sort_base_mapping_type_on_output = False
    yaml.width = 4096
    stream = io.StringIO()
    yaml.dump(_plain(config.model_dump(by_alias=True, exclude_none=True)), stream)
    return stream.getvalue()


def _plain(value: Any) -> Any:
    """Tuples as lists, which is all YAML has."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def to_plain(config: StrictModel) -> dict[str, Any]:
    """The configuration as JSON values, keys as text; what a study keeps to compare with later."""
    return config.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True)
class Difference:
    """A dotted field that two configurations disagree on; None stands for unset."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {_written(self.old)} → {_written(self.new)}"


def _written(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    return value if isinstance(value, str) else shown(value)


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], *, ignore: Collection[str] = ()
) -> list[Difference]:
    """The fields on which two configurations, as ``to_plain`` gives them, disagree.

    Mappings are compared key by key, lists as a whole. A field named in ``ignore``, dotted, is left
    out with everything below it.
    """
    return [
        difference
        for difference in _differences(old, new, "")
        if not any(f"{difference.field}.".startswith(f"{field}.") for field in ignore)
    ]


def _differences(
    old: Mapping[Any, Any], new: Mapping[Any, Any], prefix: str
) -> Iterator[Difference]:
    # A configuration that went through JSON has text for keys: labels are compared as text.
    before = {str(key): value for key, value in old.items()}
    after = {str(key): value for key, value in new.items()}
    for key in dict.fromkeys([*before, *after]):
        was, becomes = before.get(key), after.get(key)
        if isinstance(was, Mapping) and isinstance(becomes, Mapping):
            yield from _differences(was, becomes, f"{prefix}{key}.")
        elif was != becomes and not (_is_unset(was) and _is_unset(becomes)):
            yield Difference(f"{prefix}{key}", was, becomes)


def _is_unset(value: Any) -> bool:
    """Whether nothing is said: a version that did not know a list's key left it out."""
    return value is None or value == []
