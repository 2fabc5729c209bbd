"""What a run and a training need first: the checkpoint here, the data read, split and tokenised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finesweep.cli.progress import StepProgress, waiting
from finesweep.config.cache import cache_directory
from finesweep.errors import ConfigError, Location

if TYPE_CHECKING:
    from finesweep.config import ExperimentConfig
    from finesweep.data import PreparedData
    from finesweep.training import TrainingSetup


@dataclass(frozen=True, kw_only=True)
class Ready:
    """An experiment that can be trained on."""

    setup: TrainingSetup
    data: PreparedData
    checkpoint: Path


def make_ready(experiment: ExperimentConfig, *, longest: int) -> Ready:
    """Fetch the checkpoint and prepare the data; nothing is recorded yet.

    ``longest`` is the largest max_length any trial may ask for. Raises ``UserError`` for whatever
    is wrong with either, before any run exists.
    """
    from finesweep.data import prepare
    from finesweep.data.sources import require_source
    from finesweep.models.pretrained import read_checkpoint
    from finesweep.models.sources import resolve_checkpoint
    from finesweep.training import TrainingSetup

    require_source(experiment.data.path)
    model = experiment.model
    with waiting(f"looking for the checkpoint {model.checkpoint}"):
        checkpoint = resolve_checkpoint(model.checkpoint, revision=model.revision)
        config = read_checkpoint(checkpoint).config
    if longest > config.max_position_embeddings:
        raise ConfigError(
            f"expected at most {config.max_position_embeddings}, the positions of the checkpoint "
            f"{model.checkpoint}, received {longest}; lower it, or name another checkpoint",
            at=Location(field="max_length"),
        )
    with StepProgress() as progress:
        data = prepare(
            experiment.data,
            name=experiment.name,
            checkpoint=checkpoint,
            cache=cache_directory(),
            progress=progress,
        )
    setup = TrainingSetup(
        checkpoint=checkpoint,
        prepared=data.directory,
        label_names=data.label_names,
        precision=model.precision,
        seed=experiment.seed,
        tick_validation_rows=experiment.tick_validation_rows,
        schedule=experiment.schedule,
    )
    return Ready(setup=setup, data=data, checkpoint=checkpoint)
