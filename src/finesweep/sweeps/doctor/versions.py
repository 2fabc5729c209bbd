"""Whether each database has the tables that the installed package expects.

Looked at before the database is opened: MLflow changes the tables of some old ones by itself, and a
doctor who only looks changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.storage import OPTUNA_TABLE, parse_url
from finesweep.tracking.mlflow_access import import_mlflow


@dataclass(frozen=True, kw_only=True)
class Schema:
    """How a package keeps the version of its tables: ``scripts`` is its folder of migrations.

    ``table`` is one that no other package's database has.
    """

    package: str
    label: str
    scripts: str
    table: str
    upgrade: str


OPTUNA = Schema(
    package="optuna",
    label="Optuna",
    scripts="storages/_rdb/alembic",
    table=OPTUNA_TABLE,
    upgrade="optuna storage upgrade --storage",
)
MLFLOW = Schema(
    package="mlflow",
    label="MLflow",
    scripts="store/db_migrations",
    table="experiments",
    upgrade="mlflow db upgrade",
)


def look(schema: Schema, url: str) -> Finding | None:
    """Compare a database with the installed package; None where opening it tells more.

    That is where it cannot be read, belongs to something else, or has no version yet.
    """
    revision = _revision(url, table=schema.table)
    if revision is None:
        return None
    newest, known = _installed(schema)
    installed = f"{schema.label} {version(schema.package)}"
    shown = parse_url(url).render_as_string(hide_password=True)
    if revision == newest:
        return Finding(
            kind="versions",
            level="ok",
            subject=schema.package,
            what=f"{schema.label}'s database has the tables of {installed} ({revision})",
        )
    if revision in known:
        advice = f"make a copy of it, then run '{schema.upgrade} {shown}'"
    else:
        advice = f"a later {schema.label} wrote it: pip install --upgrade {schema.package}"
    return Finding(
        kind="versions",
        level="problem",
        subject=schema.package,
        what=f"{shown} has tables of version {revision}, {installed} expects {newest}",
        advice=advice,
    )


def _revision(url: str, *, table: str) -> str | None:
    """The version that a database says it has."""
    try:
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                if not sqlalchemy.inspect(connection).has_table(table):
                    return None
                return MigrationContext.configure(connection).get_current_revision()
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, OSError):
        return None


@cache
def _installed(schema: Schema) -> tuple[str | None, frozenset[str]]:
    """The version the package brings its databases to, and all it can bring there."""
    # Its migrations import it.
    import_mlflow()
    package = find_spec(schema.package)
    assert package is not None, "it is imported by now"
    assert package.origin is not None, "it lies in a folder"
    scripts = ScriptDirectory(str(Path(package.origin).parent / schema.scripts))
    known = frozenset(script.revision for script in scripts.walk_revisions())
    return scripts.get_current_head(), known
