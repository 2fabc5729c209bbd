"""How a run ends: its status, and two tags that say how and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.store import TrackingStore

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]

ENDING_TAG = "finesweep.ending"
REASON_TAG = "finesweep.reason"
_LONGEST_TAG = 5000  # characters; what the oldest MLflow servers still take


def tag_value(text: str) -> str:
    """``text``, cut to what a tag may hold."""
    return text if len(text) <= _LONGEST_TAG else text[: _LONGEST_TAG - 1] + "…"


def end_run(
    store: TrackingStore, run_id: str, status: RunStatus, *, reason: str | None = None
) -> None:
    """End a run at once, whoever started it; also what reaps a run whose process died.

    Raises:
        TrackingError: there is no such run, or the store cannot be written.
    """
    with translated(f"end the run {run_id} as {status}"):
        if reason is not None:
            store.client.set_tag(run_id, REASON_TAG, tag_value(reason))
        store.client.set_terminated(run_id, status=status)


def clear_tags(store: TrackingStore, run_id: str, names: Iterable[str]) -> None:
    """Delete those of a run's tags that it has; MLflow takes the deletion of no other."""
    tags = store.client.get_run(run_id).data.tags
    for name in names:
        if name in tags:
            store.client.delete_tag(run_id, name)
