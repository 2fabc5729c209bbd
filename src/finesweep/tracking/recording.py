"""How runs are begun, and how values are sent to one that exists."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finesweep.tracking.ending import tag_value
from finesweep.tracking.store import TrackingStore

_LONGEST_PARAM = 6000  # characters; MLflow's own limit
# What MLflow takes in one request: 1000 values in all, of which 100 params and 100 tags.
_METRICS = 800
_LABELS = 100


def create_run(
    store: TrackingStore, experiment_id: str, *, name: str, command: str, tags: Mapping[str, str]
) -> str:
    """Begin a run in one request (about 15 ms on SQLite), and return its id.

    All its tags go with that request: whenever this process is killed, there is no run that does
    not say whose it is. ``command`` is what the user ran, shown as the run's source.
    """
    about = {
        "mlflow.user": user_name(),
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        **{key: tag_value(value) for key, value in tags.items()},
    }
    run = store.client.create_run(experiment_id, run_name=name, tags=about)
    return str(run.info.run_id)


@dataclass(frozen=True, kw_only=True)
class Point:
    """A metric's value at a step; ``timestamp`` is milliseconds since 1970."""

    name: str
    value: float
    timestamp: int
    step: int


def log_values(
    store: TrackingStore,
    run_id: str,
    *,
    metrics: Mapping[str, float] | None = None,
    points: Sequence[Point] = (),
    params: Mapping[str, str | int | float] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log everything given, in as few requests as MLflow allows; usually one.

    ``metrics`` are those of something that has no steps: they are points at step 0, now.
    """
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    values = [Metric(key, float(value), now, 0) for key, value in (metrics or {}).items()]
    values += [Metric(at.name, at.value, at.timestamp, at.step) for at in points]
    settings = [Param(key, str(value)[:_LONGEST_PARAM]) for key, value in (params or {}).items()]
    labels = [RunTag(key, tag_value(value)) for key, value in (tags or {}).items()]
    while values or settings or labels:
        store.client.log_batch(
            run_id, metrics=values[:_METRICS], params=settings[:_LABELS], tags=labels[:_LABELS]
        )
        values, settings, labels = values[_METRICS:], settings[_LABELS:], labels[_LABELS:]


def user_name() -> str:
    """Who runs this process; a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
