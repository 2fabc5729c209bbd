"""Results as the benchmark would have measured them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.compare.history import Result
from benchmarks.compare.machine import MachineKind
from benchmarks.compare.outcome import Entrant, Failed, Measured, Outcome, rows

ENTRANTS = (
    Entrant(key="finesweep", label="finesweep", kind="training", ours=True),
    Entrant(key="article", label="the article's script", kind="training", asked=5.0),
    Entrant(key="broken", label="a peer that fails", kind="training"),
    Entrant(key="finesweep-sweep", label="finesweep run", kind="sweep", ours=True),
    Entrant(key="optuna", label="Optuna", kind="sweep"),
)


def measured(training_rate: float | None, *, seconds: float = 10.0) -> Measured:
    return Measured(
        examples=1000, seconds=seconds, training_rate=training_rate, validation_accuracy=0.8
    )


@pytest.fixture
def rounds() -> list[dict[str, Outcome]]:
    """Three rounds; the second one's machine was busy, and one peer never works."""
    return [
        {
            "finesweep": measured(ours),
            "article": measured(article),
            "broken": Failed(reason="ImportError: no module named torch"),
            "finesweep-sweep": measured(None, seconds=10.0),
            "optuna": measured(None, seconds=40.0),
        }
        for ours, article in ((250.0, 50.0), (100.0, 20.0), (260.0, 52.0))
    ]


@pytest.fixture
def result(rounds: list[dict[str, Outcome]]) -> Result:
    return Result(
        date="2026-01-02T03:04:05+00:00",
        machine=MachineKind(cpu="A Processor", cores=2, flags=("avx2",), gpus=()),
        settings={"geometry": "minilm", "batch_size": 16, "rows": 1000, "rounds": 3},
        versions={"finesweep": {"python": "3.11.9"}},
        rows=tuple(rows(ENTRANTS, rounds)),
        roofline=None,
    )
