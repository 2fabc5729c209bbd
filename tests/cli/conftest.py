"""A sweep's result and what is heard of it while it runs, without running anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from finesweep.sweeps.result import Registered, SweepResult, TrialStateName, TrialSummary
from finesweep.training.hyperparameters import Hyperparameters

VALUES = Hyperparameters(learning_rate=4.9376e-05, batch_size=4096, epochs=3, max_length=64)
METRICS = {
    "train/loss": 0.4,
    "val/loss": 0.345678,
    "val/accuracy": 0.9183,
    "val/f1": 0.9,
    "examples_per_second": 267.4,
}

NewTrial = Callable[..., TrialSummary]


@pytest.fixture
def new_trial() -> NewTrial:
    def new_trial(
        number: int, state: TrialStateName = "completed", reason: str | None = None
    ) -> TrialSummary:
        return TrialSummary(
            number=number,
            state=state,
            hyperparameters=VALUES,
            metrics=METRICS if state == "completed" else {},
            seconds=91.6 if state == "completed" else None,
            reason=reason,
            run_id="0" * 32,
        )

    return new_trial


@pytest.fixture
def result(new_trial: NewTrial) -> SweepResult:
    trials = (new_trial(0), new_trial(1, "interrupted"), new_trial(2))
    return SweepResult(
        study_name="headlines",
        run_id="1" * 32,
        experiment_id="1",
        trials=trials,
        best=trials[2],
        registered=Registered(name="headlines", version=1, stage="Staging"),
        stopped_by="all 2 trials are done",
    )
