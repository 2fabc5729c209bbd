"""The page ``docs/configuration.md``, written from the models.

``python -m finesweep.config.reference > docs/configuration.md`` brings it up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from finesweep.config.base import StrictModel
from finesweep.config.experiment import ExperimentConfig
from finesweep.config.schema import Slot, fields, slot_of, words
from finesweep.config.sweep import SweepConfig

_PREFACE = """\
# Configuration

Written by `python -m finesweep.config.reference` from the models in `src/finesweep/config`; a test
keeps it up to date.

An **experiment file** says what is learned; `finesweep train` runs it once. A **sweep file** names
an experiment and says how it is searched; `finesweep run` searches. Both are YAML 1.2 in UTF-8.
Nothing is converted silently: an unknown key, a key that stands twice, text where a number belongs
or `3.0` where a whole number does is an error that names the file, the line and the field.

## Values from the command line

`--set KEY=VALUE` lays a value over the file, as often as needed and in order. `KEY` is dotted,
`VALUE` is YAML:

| | |
| --- | --- |
| `--set trials=40 --set timeout=2h` | a single value |
| `--set experiment.data.path=mine.json` | a key of the experiment a sweep names |
| `--set 'space.batch_size.choices=[8, 16]'` | a list; choices take the place of a range |
| `--set 'space.epochs={low: 1, high: 2}'` | a mapping takes the place of the whole entry |
| `--set enqueue.0.epochs=2` | an item of a list, counted from 0 |
| `--set pruner.name=none` | another kind; keys it does not know are dropped |
| `--set timeout=null` | unset |

## Paths

A relative path in a file starts at that file's folder; in a `--set`, at the working directory.
URLs and `packaged:` names are left as they are.
"""

Fields = dict[str, FieldInfo]


def reference() -> str:
    """The whole page, in Markdown."""
    parts = [_PREFACE]
    for title, model, unopened in (
        ("Experiment file", ExperimentConfig, ()),
        ("Sweep file", SweepConfig, ("experiment",)),
    ):
        parts.append(f"## {title}\n\n{_prose(model.__doc__)}\n\n{_table(fields(model))}")
        parts += _sections(fields(model), "", unopened=unopened)
    return "\n".join(parts)


def _sections(keys: Fields, prefix: str, *, unopened: tuple[str, ...] = ()) -> Iterator[str]:
    """A section for the mappings among ``keys``; keys that hold the same kinds share one."""
    groups: dict[tuple[type[StrictModel], ...], list[str]] = {}
    for key, field in keys.items():
        models = tuple(slot_of(field).variants.values())
        if models and key not in unopened:
            groups.setdefault(models, []).append(key)
    for models, names in groups.items():
        heading = ", ".join(f"`{prefix}{name}`" for name in names)
        first = slot_of(keys[names[0]])
        if first.is_union:
            kinds = f"One of several kinds: `{first.discriminator}` says which."
            prose = kinds if first.discriminator else f"Either {words(first.annotation)}."
            yield f"### {heading}\n\n{prose}\n"
            yield from _variants(first, heading)
        else:
            yield f"### {heading}\n\n{_prose(models[0].__doc__)}\n\n{_table(fields(models[0]))}"
            yield from _sections(fields(models[0]), f"{prefix}{names[0]}.")


def _variants(slot: Slot, heading: str) -> Iterator[str]:
    """A section for each model of a union."""
    for tag, model in slot.variants.items():
        title = f"`{slot.discriminator}: {tag}`" if slot.discriminator else str(tag)
        table = _table(fields(model), discriminator=slot.discriminator)
        yield f"#### {heading}: {title}\n\n{_prose(model.__doc__)}\n\n{table}"


def _table(keys: Fields, *, discriminator: str | None = None) -> str:
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, field in keys.items():
        kind = words(slot_of(field).annotation)
        # A model alone may have a default name; in a file the name is what picks the model.
        default = "required" if key == discriminator else _default(field)
        cells = [f"`{key}`", kind, default, _prose(field.description)]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, StrictModel):
        discriminator = slot_of(field).discriminator
        said = {discriminator: getattr(default, discriminator)} if discriminator else {}
        said |= default.model_dump(exclude_unset=True)
        return _code(_flow(said)) if said else "its own defaults"
    if default is None or default == ():
        return "none"
    return _code(_flow(default))


def _flow(value: Any) -> str:
    """A default as YAML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _code(text: str) -> str:
    return f"`{text}`"


def _prose(text: str | None) -> str:
    """A docstring as a paragraph of Markdown."""
    return " ".join((text or "").replace("``", "`").split())


if __name__ == "__main__":
    sys.stdout.write(reference())
