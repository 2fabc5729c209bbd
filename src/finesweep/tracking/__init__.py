"""MLflow runs: the store, one run a sweep, one child run a trial, and the UI that shows them.

What a trial has to say goes into an ``Outbox`` on disk, and a ``Delivery`` carries it to the store:
no sweep waits for MLflow, and nothing is lost or logged twice, whatever is killed or away.

Everything here goes through an ``MlflowClient`` of the store's own; there is no active run and no
tracking URI of the process, so that two stores can be open side by side. MLflow is imported when a
store is first opened (never by importing this package), with its telemetry and its log lines off.
Its exceptions do not leave this room: they become ``TrackingError``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesweep.tracking.delivery import Delivery, DeliveryState
    from finesweep.tracking.ending import RunStatus, end_run
    from finesweep.tracking.experiment_runs import RecordedRun, recorded_runs
    from finesweep.tracking.outbox import Outbox, Refusal
    from finesweep.tracking.provenance import Provenance
    from finesweep.tracking.store import TrackingStore
    from finesweep.tracking.sweep_run import ChildRun, SweepRun
    from finesweep.tracking.trial_run import TrialRun
    from finesweep.tracking.ui import UiCommand, run_link, serve_ui, ui_command

_HOMES = {
    "ChildRun": "sweep_run",
    "Delivery": "delivery",
    "DeliveryState": "delivery",
    "Outbox": "outbox",
    "Provenance": "provenance",
    "RecordedRun": "experiment_runs",
    "Refusal": "outbox",
    "RunStatus": "ending",
    "SweepRun": "sweep_run",
    "TrackingStore": "store",
    "TrialRun": "trial_run",
    "UiCommand": "ui",
    "end_run": "ending",
    "recorded_runs": "experiment_runs",
    "run_link": "ui",
    "serve_ui": "ui",
    "ui_command": "ui",
}

__all__ = [
    "ChildRun",
    "Delivery",
    "DeliveryState",
    "Outbox",
    "Provenance",
    "RecordedRun",
    "Refusal",
    "RunStatus",
    "SweepRun",
    "TrackingStore",
    "TrialRun",
    "UiCommand",
    "end_run",
    "recorded_runs",
    "run_link",
    "serve_ui",
    "ui_command",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
