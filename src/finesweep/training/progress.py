"""What a fine-tuning says while it runs and when it ends. Loads no TensorFlow.

Progress is counted in ticks: ``tick = examples_seen // (n_train / 4)``, a quarter of an epoch
counted in examples, so that trials of every batch size report on one grid and a pruner compares
like with like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from finesweep.training.drawing import Hypermodel
from finesweep.training.hyperparameters import Hyperparameters

TICKS_PER_EPOCH = 4

# What a trainer is told at a tick: go on, end here, or keep a resume point and end here.
Answer = Literal["continue", "stop", "park"]
Schedule = Literal["linear", "constant"]
EvaluationSplit = Literal["validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A quarter of an epoch, done.

    ``metrics`` holds ``train/loss`` (mean since the tick before), ``val/loss``, ``val/accuracy``,
    ``val/f1`` (macro average), ``examples_per_second`` (training alone) and ``memory_mb`` (the
    process's peak resident set). ``seconds`` counts from the trial's start.
    """

    number: int
    epoch: float
    examples_seen: int
    seconds: float
    metrics: dict[str, float]
    full_validation: bool


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """What every trial of a sweep shares; sent to a worker once, before its first trial.

    ``checkpoint`` is a local directory in Hugging Face's layout. ``prepared`` is a directory that
    ``finesweep.data`` prepared (tokens, labels and splits), opened memory-mapped. ``hypermodel`` is
    the user's code that builds the models; without it they are DistilBERT. A ``continuable``
    fine-tuning leaves a resume point at its end too, from which one of more epochs goes on.
    """

    checkpoint: Path
    prepared: Path
    label_names: tuple[str, ...]
    precision: str = "auto"
    seed: int = 0
    tick_validation_rows: int = 1000
    schedule: Schedule = "linear"
    hypermodel: Hypermodel | None = None
    continuable: bool = False


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """A fine-tuning that ran to its end, or to the tick at which it was told to stop or to park.

    ``metrics`` are those of the last tick; ``checkpoint`` is the directory that was saved, or None
    when it was stopped early. ``precision`` is what it was computed in. ``seconds`` counts those
    before an interruption too.
    """

    metrics: dict[str, float]
    ticks: int
    seconds: float
    stopped: bool
    checkpoint: Path | None
    precision: str = "float32"


class Trainer(Protocol):
    """Runs one fine-tuning after another in one process; what a worker keeps alive.

    A trainer is built once from the setup (that is where TensorFlow loads) and must leave nothing
    of one fine-tuning behind for the next: the same hyperparameters give the same metrics whatever
    ran before. It raises ``DivergedError`` when a loss is NaN or infinite, and ``OutOfMemoryError``
    when the memory of the processor or the GPU does not suffice.
    """

    def __init__(self, setup: TrainingSetup) -> None: ...

    def fine_tune(
        self,
        hyperparameters: Hyperparameters,
        *,
        output: Path,
        on_tick: Callable[[Tick], Answer],
        resume_point: Path,
        accumulation: int = 1,
    ) -> FineTuned:
        """Fine-tune from the setup's checkpoint; save to ``output`` unless ended at a tick.

        ``resume_point`` is a file of this trial alone. If it holds a point of the same trial, the
        fine-tuning goes on from there; one that cannot be used is passed over. It is replaced, in
        one step, at the end of every epoch but the last, and at a tick whose answer is ``park``;
        with a ``continuable`` setup at the end of the last epoch too.
        Told ``stop`` or finished, the trainer leaves the file to its owner.

        A batch is computed in ``accumulation`` parts, whose gradients add up to that of the whole:
        less memory for the same effective batch.
        """
        ...

    def evaluate(
        self, checkpoint: Path, *, max_length: int, split: EvaluationSplit
    ) -> dict[str, float]:
        """Measure a saved checkpoint on a whole split.

        The metrics are named after the split: ``test/loss``, ``test/accuracy``, ``test/f1`` (or
        ``val/…``).
        """
        ...
