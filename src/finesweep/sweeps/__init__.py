"""Sweeps: an Optuna study, one coordinator that asks and tells, and engines that run the trials.

``run_sweep`` is the whole of it; ``load_result`` and ``list_studies`` show what there is, and
``first_proposals`` what there would be. The coordinator's process never loads TensorFlow: training
and evaluation happen in the workers of an engine. Optuna is imported when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesweep.sweeps.observer import NullObserver, SweepObserver
    from finesweep.sweeps.planning import first_proposals
    from finesweep.sweeps.result import Registered, StudySummary, SweepResult, TrialSummary
    from finesweep.sweeps.showing import list_studies, load_result
    from finesweep.sweeps.sweep import run_sweep

_HOMES = {
    "NullObserver": "observer",
    "Registered": "result",
    "StudySummary": "result",
    "SweepObserver": "observer",
    "SweepResult": "result",
    "TrialSummary": "result",
    "first_proposals": "planning",
    "list_studies": "showing",
    "load_result": "showing",
    "run_sweep": "sweep",
}

__all__ = [
    "NullObserver",
    "Registered",
    "StudySummary",
    "SweepObserver",
    "SweepResult",
    "TrialSummary",
    "first_proposals",
    "list_studies",
    "load_result",
    "run_sweep",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
