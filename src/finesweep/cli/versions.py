"""A version of a registered model, as commands tell of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from finesweep.cli.console import output, print_json

if TYPE_CHECKING:
    from finesweep.registry import RegisteredVersion


def print_version(version: RegisteredVersion, *, as_json: bool) -> None:
    """One line that says what the version is now, and how to load it."""
    if as_json:
        print_json(asdict(version))
        return
    where = version.stage if version.stage != "None" else str(version.version)
    output().print(
        f"{version.name} version {version.version} is in {version.stage}: "
        f"models:/{version.name}/{where}",
        markup=False,
    )
