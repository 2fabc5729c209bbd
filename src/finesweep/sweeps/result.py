"""What a sweep hands back: its trials, the best of them, and what was registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from finesweep.sweeps.warm_start.report import SourceReport
from finesweep.training.drawing import Value
from finesweep.training.hyperparameters import Hyperparameters

Ending = Literal[
    "completed", "pruned", "failed", "diverged", "out_of_memory", "preempted", "interrupted"
]
"""How an attempt of a trial ends.

``failed``: the user's code or data. ``diverged``: a loss or the metric became NaN or infinite.
``preempted``: the machine took the worker, or the sweep, away. ``interrupted``: the user, or the
end of the sweep's time, stopped it.
"""

TrialStateName = Literal["running"] | Ending


@dataclass(frozen=True, kw_only=True)
class TrialSummary:
    """One trial as it is shown to people.

    ``state`` is how its last attempt ended; one that was interrupted or preempted goes on with the
    sweep. With a hypermodel ``drawn`` holds what is in effect, by name: what it drew, and those
    of the four that it uses. ``metrics`` are those of its last tick. ``reason`` says why it is not
    complete. ``seconds`` is how long it trained, and None where the coordinator died before it
    could say.
    """

    number: int
    state: TrialStateName
    hyperparameters: Hyperparameters
    metrics: dict[str, float]
    seconds: float | None
    reason: str | None
    run_id: str | None
    attempts: int = 1
    drawn: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The version of a registered model that the best trial became."""

    name: str
    version: int
    stage: str | None


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A sweep, as far as it has come.

    ``best`` is None as long as no trial completed; ``test_metrics`` are the best trial's, where the
    data has a test split. ``stopped_by`` says why the sweep ended: ``all 20 trials are done``.
    ``warm_start`` says what came in of earlier work when the study began.
    """

    study_name: str
    run_id: str
    experiment_id: str
    trials: tuple[TrialSummary, ...]
    best: TrialSummary | None
    registered: Registered | None
    stopped_by: str
    test_metrics: dict[str, float] = field(default_factory=dict)
    warm_start: tuple[SourceReport, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """One study of a database, for a list of them. ``total`` is None for a foreign study."""

    name: str
    total: int | None
    done: int
    running: int
    best_value: float | None
    metric: str | None
