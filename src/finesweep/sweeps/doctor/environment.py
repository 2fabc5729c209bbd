"""What finesweep runs on: Python, packages, the processor, memory, and variables set by the user.

TensorFlow is not loaded, so what a GPU can do is left open.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from finesweep.config.quantities import size_in_words
from finesweep.sweeps.doctor.finding import Finding, Level
from finesweep.sweeps.gpus import GPU_ADVICE
from finesweep.sweeps.machine import WORKER_BYTES, Machine
from finesweep.tracking.provenance import installed_versions
from finesweep.training.precision import cpu_precision

CENTRE = ("tensorflow", "keras", "transformers", "optuna", "mlflow")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def look() -> Iterator[Finding]:
    """Python, the packages, and the machine."""
    yield from _requirements()
    machine = Machine.here()
    yield _processor(machine)
    yield _memory(machine)
    yield from threads(cores=machine.cores)


def _requirements() -> Iterator[Finding]:
    try:
        installed: Distribution = distribution("finesweep")
    except PackageNotFoundError:
        yield _finding(
            "packages",
            "finesweep runs from a folder that was not installed, so what it requires is not known",
            level="warning",
            advice="install it: 'pip install -e .' in its folder",
        )
        return
    yield python_version(platform.python_version(), wanted=installed.metadata["Requires-Python"])
    yield from packages(installed.requires or ())


def python_version(found: str, *, wanted: str) -> Finding:
    """Whether this Python is one that finesweep was made for."""
    if SpecifierSet(wanted).contains(found, prereleases=True):
        return _finding("python", f"Python {found}")
    return _finding(
        "python",
        f"Python {found}, expected {wanted}",
        level="problem",
        advice="make an environment with a Python of that range and install finesweep there",
    )


def packages(requires: Sequence[str]) -> Iterator[Finding]:
    """Whether every package is there in the version that is required (those of extras aside)."""
    versions = installed_versions()
    is_well = True
    for requirement in map(Requirement, requires):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = versions.get(requirement.name) or _version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            is_well = False
            state = f"{requirement.name} {found}" if found else f"no {requirement.name}"
            yield _finding(
                requirement.name,
                f"{state} is installed, expected {requirement}",
                level="problem",
                advice=f"pip install '{requirement}'",
            )
    if is_well:
        shown = ", ".join(f"{name} {versions[name]}" for name in CENTRE if name in versions)
        yield _finding("packages", f"{shown}, and the others as required")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor(machine: Machine) -> Finding:
    shown = f"{machine.cores} core{'s' * (machine.cores != 1)}"
    if machine.idle_gpus:
        gpus = f"{machine.idle_gpus} GPU{'s' * (machine.idle_gpus != 1)}"
        return _finding(
            "processor",
            f"{shown}, {gpus} that TensorFlow cannot use: it finds no CUDA libraries",
            level="warning",
            advice=GPU_ADVICE,
        )
    if machine.gpus:
        gpus = f"{machine.gpus} GPU{'s' * (machine.gpus != 1)}"
        precision = "which decides the precision when it is used: bfloat16 from NVIDIA's Ampere on"
        return _finding("processor", f"{shown}, {gpus}, {precision}")
    return _finding("processor", f"{shown}, no GPU; precision auto is {cpu_precision()} here")


def _memory(machine: Machine) -> Finding:
    shown = f"{size_in_words(machine.free_memory)} of memory are free"
    if machine.free_memory >= WORKER_BYTES:
        return _finding("memory", shown)
    return _finding(
        "memory",
        f"{shown}, less than the {size_in_words(WORKER_BYTES)} of one worker",
        level="warning",
        advice="end other processes before a sweep starts",
    )


def threads(*, cores: int) -> Iterator[Finding]:
    """The user's thread variables, which win over what the engine would set."""
    given = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    if not given:
        yield _finding("threads", "no thread variable is set: each worker uses its own cores")
    for name, value in given.items():
        shown = f"{name}={value}"
        if not value.isdecimal():
            yield _finding(
                name,
                f"{shown}, expected a whole number",
                level="warning",
                advice=f"unset {name}, or give it a number of threads",
            )
        elif int(value) > cores:
            yield _finding(
                name,
                f"{shown} with {cores} cores to compute on slows every worker down",
                level="warning",
                advice=f"unset {name}",
            )
        else:
            yield _finding(name, f"{shown}: every worker keeps to it")


def _finding(subject: str, what: str, *, level: Level = "ok", advice: str | None = None) -> Finding:
    return Finding(kind="environment", level=level, subject=subject, what=what, advice=advice)
