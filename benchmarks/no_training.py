"""A trainer that trains nothing: four ticks an epoch, and a checkpoint of a few bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import (
    TICKS_PER_EPOCH,
    Answer,
    EvaluationSplit,
    FineTuned,
    Tick,
    TrainingSetup,
)

PATH = "no_training:NoTraining"


class NoTraining:
    """Answers at once. The accuracy rises with the ticks and is best at a rate of 5e-5."""

    def __init__(self, setup: TrainingSetup) -> None:
        self.labels = setup.label_names

    def fine_tune(
        self,
        hyperparameters: Hyperparameters,
        *,
        output: Path,
        on_tick: Callable[[Tick], Answer],
        resume_point: Path,
        accumulation: int = 1,
    ) -> FineTuned:
        last = hyperparameters.epochs * TICKS_PER_EPOCH
        metrics: dict[str, float] = {}
        for number in range(1, last + 1):
            metrics = _metrics(hyperparameters.learning_rate, number)
            tick = Tick(
                number=number,
                epoch=number / TICKS_PER_EPOCH,
                examples_seen=number * 100,
                seconds=0.0,
                metrics=metrics,
                full_validation=number % TICKS_PER_EPOCH == 0,
            )
            if on_tick(tick) != "continue":
                return FineTuned(
                    metrics=metrics, ticks=number, seconds=0.0, stopped=True, checkpoint=None
                )
        self._save(output)
        return FineTuned(metrics=metrics, ticks=last, seconds=0.0, stopped=False, checkpoint=output)

    def evaluate(
        self, checkpoint: Path, *, max_length: int, split: EvaluationSplit
    ) -> dict[str, float]:
        raise NotImplementedError("the benchmark has no test split")

    def _save(self, output: Path) -> None:
        output.mkdir(parents=True)
        id2label = {str(number): name for number, name in enumerate(self.labels)}
        (output / "config.json").write_text(json.dumps({"id2label": id2label}))
        (output / "model.safetensors").write_bytes(b"weights")


def _metrics(learning_rate: float, tick: int) -> dict[str, float]:
    """As many values as a real tick has."""
    accuracy = 0.9 - abs(learning_rate - 5e-5) * 1e3 - 0.1 / tick
    return {
        "train/loss": 1.0 - accuracy,
        "val/loss": 1.0 - accuracy,
        "val/accuracy": accuracy,
        "val/f1": accuracy,
        "examples_per_second": 1.0,
        "memory_mb": 1.0,
    }
