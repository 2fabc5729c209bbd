"""A version of a registered model, as commands tell of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from finesweep.cli.console import print_json, tell

if TYPE_CHECKING:
    from finesweep.registry import RegisteredVersion


def print_version(version: RegisteredVersion, *, as_json: bool) -> None:
    """One line that says what the version is now, and how to load it."""
    if as_json:
        print_json(asdict(version))
        return
    is_in = "no stage" if version.stage == "None" else version.stage
    uri = model_uri(version.name, version.version, stage=version.stage)
    tell(f"{version.name} version {version.version} is in {is_in}: {uri}")


def model_uri(name: str, version: int, *, stage: str | None) -> str:
    """What the version is loaded by: its stage, or its number where it has none."""
    return f"models:/{name}/{version if stage in (None, 'None') else stage}"
