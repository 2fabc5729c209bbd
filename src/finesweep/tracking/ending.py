"""How a run ends: its status, and the reason as a tag."""

from __future__ import annotations

from typing import Literal

from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.store import TrackingStore

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]

REASON_TAG = "finesweep.reason"
_LONGEST_TAG = 5000  # characters; what the oldest MLflow servers still take


def tag_value(text: str) -> str:
    """``text``, cut to what a tag may hold."""
    return text if len(text) <= _LONGEST_TAG else text[: _LONGEST_TAG - 1] + "…"


def end_run(
    store: TrackingStore, run_id: str, status: RunStatus, *, reason: str | None = None
) -> None:
    """End a run, whoever started it; also what reaps a run whose process died.

    Raises:
        TrackingError: there is no such run, or the store cannot be written.
    """
    with translated(f"end the run {run_id} as {status}"):
        if reason is not None:
            store.client.set_tag(run_id, REASON_TAG, tag_value(reason))
        store.client.set_terminated(run_id, status=status)
