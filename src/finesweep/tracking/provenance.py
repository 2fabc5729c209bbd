"""What produced a run: the commit, the package versions and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import finesweep

# Each package by its distribution names, the usual one first: TensorFlow without GPU support is
# published under a name of its own.
_PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "keras": ("keras",),
    "transformers": ("transformers",),
    "tokenizers": ("tokenizers",),
    "safetensors": ("safetensors",),
    "mlflow": ("mlflow",),
    "optuna": ("optuna",),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
}
_GIT_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The state of the code and of the machine when a run began.

    ``commit`` and ``dirty`` (a tracked file differs from the commit) are None outside a git
    checkout. ``versions`` maps a package's name to its installed version.
    """

    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    python: str
    platform: str
    cpus: int

    @classmethod
    def collect(cls, directory: Path | None = None) -> Provenance:
        """Of this process, and of the git checkout ``directory`` (or the working one) is in."""
        commit = _git(directory, "rev-parse", "HEAD")
        changes = _git(directory, "status", "--porcelain", "--untracked-files=no")
        return cls(
            commit=commit or None,
            dirty=None if not commit or changes is None else bool(changes),
            versions=installed_versions(),
            python=platform.python_version(),
            platform=platform.platform(),
            cpus=os.cpu_count() or 1,
        )

    def as_tags(self) -> dict[str, str]:
        """As MLflow tags; the commit under the name that MLflow's UI shows."""
        tags = {f"finesweep.version.{name}": value for name, value in self.versions.items()}
        tags |= {
            "finesweep.python": self.python,
            "finesweep.platform": self.platform,
            "finesweep.cpus": str(self.cpus),
        }
        if self.commit is not None:
            tags["mlflow.source.git.commit"] = self.commit
            tags["finesweep.git.dirty"] = str(self.dirty).lower()
        return tags


def installed_versions() -> dict[str, str]:
    """The versions of finesweep and of what it computes with, none of it imported."""
    found = {"finesweep": finesweep.__version__}
    for package in _PACKAGES:
        distribution = installed_distribution(package)
        if distribution is not None:
            found[package] = version(distribution)
    return found


def installed_distribution(package: str) -> str | None:
    """The name under which ``package`` was installed, or None when it is not."""
    for name in _PACKAGES[package]:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        return name
    return None


def _git(directory: Path | None, *arguments: str) -> str | None:
    """What git prints, or None when there is no git, no checkout or no answer."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
