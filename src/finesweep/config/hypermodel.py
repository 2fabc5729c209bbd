"""The code that builds a sweep's models: how a sweep file names it, and whether it is there.

It is looked at and never imported: that would load TensorFlow, which only workers do. What cannot
be told from its text, a worker finds out.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Annotated

from pydantic import Field

from finesweep.config.base import Words
from finesweep.errors import ConfigError, Location

HypermodelName = Annotated[
    str,
    Field(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*$"),
    Words("a name as in my_module:build_model"),
]

# A module that has one of these names may have any other.
_ANY_NAME = {"*", "__getattr__"}


def hypermodel_folders(sweep_file: Path) -> tuple[Path, Path]:
    """Where a hypermodel's module is looked for first: beside the sweep file, then from here."""
    return sweep_file.absolute().parent, Path.cwd()


def require_hypermodel(hypermodel: str, folders: Sequence[Path], *, at: Location) -> None:
    """Refuse a ``module:name`` of which the module, or the name in it, is not there.

    Raises:
        ConfigError: says where it was looked for, or which names there are; ``at`` is where the
            hypermodel was named.
    """
    module, _, name = hypermodel.partition(":")
    spec = _find(module, folders)
    if spec is None:
        looked = " and in ".join(dict.fromkeys(map(str, folders)))
        raise ConfigError(
            f"expected a module that can be imported, received {module!r}, which is neither in "
            f"{looked} nor installed; the part before the colon is a file's name without .py",
            at=at,
        )
    if spec.origin is None or not spec.origin.endswith(".py"):
        return
    names = set(_names(Path(spec.origin)))
    if name not in names and not names & _ANY_NAME:
        close = get_close_matches(name, names, n=1)
        meant = f"did you mean {close[0]!r}?" if close else "define it there"
        raise ConfigError(
            f"expected a function or a HyperModel of {spec.origin}, received {name!r}, which it "
            f"does not define; {meant}",
            at=at,
        )


def _find(module: str, folders: Sequence[Path]) -> ModuleSpec | None:
    """The module as an import would find it with ``folders`` in front; nothing is imported."""
    first, *rest = module.split(".")
    beside = PathFinder.find_spec(first, [str(folder) for folder in folders])
    spec = beside or importlib.util.find_spec(first)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec


def _names(file: Path) -> Iterator[str]:
    """Every name that the top level of a module may bind, and some more."""
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except (OSError, SyntaxError, ValueError) as exc:
        line = exc.lineno if isinstance(exc, SyntaxError) else None
        raise ConfigError(
            f"expected a Python module, received one that cannot be read: {exc}",
            at=Location(file=str(file), line=line),
        ) from exc
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        else:
            yield from _bound_in(statement)


def _bound_in(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        match node:
            case ast.Import() | ast.ImportFrom():
                yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
