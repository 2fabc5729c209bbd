"""How long a sweep will take and how much disk it will fill, before anything is run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finesweep.config import ExperimentConfig, SweepConfig
from finesweep.config.quantities import duration_in_words
from finesweep.config.space import IntChoices, IntRange
from finesweep.data import EncodedTexts, PreparedData
from finesweep.models.config import DistilBertConfig
from finesweep.models.geometry import count_weights
from finesweep.models.pretrained import read_config
from finesweep.sweeps.disk import BYTES_A_WEIGHT
from finesweep.training.progress import TICKS_PER_EPOCH

# The share of this machine's matrix-product speed (float32, as NumPy reaches it) that a training
# step reaches, all its other operations included. Measured on two cores: 0.3 to 0.8, from short to
# long texts and from float32 to bfloat16; the estimate says "about" for that reason.
_EFFICIENCY = 0.5
# A step multiplies each weight with each token once forward and twice backward, at two floating
# point operations each; an evaluation only goes forward.
_TRAINING_OPERATIONS = 6
_EVALUATION_OPERATIONS = 2
_START_SECONDS = 10.0  # loading TensorFlow and tracing, once a sweep
_TRIAL_SECONDS = 2.0  # resetting, saving and logging, each trial


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """About how long a sweep takes, were no trial pruned, and what its checkpoints fill.

    ``disk_bytes`` are those of ``kept`` models. Of a ``hypermodel``'s models nothing is known: the
    figures are those of the experiment's checkpoint.
    """

    seconds: float
    disk_bytes: int
    kept: int
    gigaflops: float
    hypermodel: str | None = None

    def describe(self) -> str:
        """Two lines for people, or three."""
        caution = (
            f"\nall as if {self.hypermodel} built the experiment's checkpoint: what it builds may "
            "take more, or less"
        )
        return (
            f"time: about {duration_in_words(self.seconds)} with one worker if no trial is pruned, "
            f"from a matrix product measured just now ({self.gigaflops:.0f} GFLOP/s); "
            "expect up to twice or half of it\n"
            f"disk: {self.disk_bytes / 1e6:,.0f} MB for the models of the best {self.kept} trials"
            + (caution if self.hypermodel else "")
        )


def estimate(config: SweepConfig, *, checkpoint: Path, data: PreparedData) -> Estimate:
    """Work out time and disk from the model's size, the data's lengths and this machine's speed."""
    geometry, _ = read_config(checkpoint)
    texts = EncodedTexts.open(data.directory)
    max_length = _middle(config.space.max_length, config.experiment.max_length)
    epochs = _middle(config.space.epochs, config.experiment.epochs)
    tokens = float(np.minimum(texts.lengths[texts.train], max_length).mean())
    operations = epochs * _epoch_operations(config.experiment, data, tokens * _layers(geometry))
    gigaflops = _matrix_product_gigaflops()
    keep = config.keep_checkpoints
    kept = config.trials if keep == "all" else min(config.trials, keep)
    trial_seconds = operations / (gigaflops * 1e9 * _EFFICIENCY) + _TRIAL_SECONDS
    return Estimate(
        seconds=_START_SECONDS + config.trials * trial_seconds,
        disk_bytes=kept * BYTES_A_WEIGHT * count_weights(geometry),
        kept=kept,
        gigaflops=gigaflops,
        hypermodel=config.hypermodel,
    )


def _epoch_operations(
    experiment: ExperimentConfig, data: PreparedData, weights_a_text: float
) -> float:
    at_ticks = min(experiment.tick_validation_rows, data.n_validation) * (TICKS_PER_EPOCH - 1)
    evaluated = at_ticks + data.n_validation
    return weights_a_text * (
        _TRAINING_OPERATIONS * data.n_train + _EVALUATION_OPERATIONS * evaluated
    )


def _layers(geometry: DistilBertConfig) -> int:
    """Weights every token is multiplied with: attention's four squares and the feed-forward."""
    return geometry.n_layers * (4 * geometry.dim**2 + 2 * geometry.dim * geometry.hidden_dim)


def _middle(entry: IntRange | IntChoices | None, fixed: int) -> float:
    """What a trial has on average, were all values equally likely."""
    if entry is None:
        return fixed
    if isinstance(entry, IntRange):
        return (entry.low + entry.high) / 2
    return sum(entry.choices) / len(entry.choices)


def _matrix_product_gigaflops(size: int = 768, repeats: int = 5) -> float:
    """The speed of NumPy's float32 matrix product on this machine, the best of some tries."""
    matrix = np.ones((size, size), dtype=np.float32)
    matrix @ matrix
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds) / 1e9
