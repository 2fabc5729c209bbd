"""One fine-tuning: its hyperparameters, its compiled step, its optimizer and what it reports.

Importing this package loads no TensorFlow; ``finesweep.training.fine_tuner`` does.
"""

from __future__ import annotations

from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import (
    TICKS_PER_EPOCH,
    Answer,
    FineTuned,
    Tick,
    Trainer,
    TrainingSetup,
)

__all__ = [
    "TICKS_PER_EPOCH",
    "Answer",
    "FineTuned",
    "Hyperparameters",
    "Tick",
    "Trainer",
    "TrainingSetup",
]
