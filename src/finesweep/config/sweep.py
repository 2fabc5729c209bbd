"""A sweep file: how an experiment is searched."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from finesweep.config.base import Problem, StrictModel, Words, reject
from finesweep.config.experiment import (
    BatchSize,
    Epochs,
    ExperimentConfig,
    LearningRate,
    MaxLength,
    Name,
    Seed,
)
from finesweep.config.quantities import Bytes, Seconds
from finesweep.config.space import HYPERPARAMETERS, IntChoices, IntRange, SpaceConfig

Stage = Literal["None", "Staging", "Production", "Archived"]

KeepCheckpoints = Annotated[
    Annotated[int, Field(ge=1)] | Literal["all"], Words("a whole number of at least 1, or all")
]

# Optuna lays the whole grid out in memory before the first trial.
MOST_GRID_POINTS = 100_000


class SamplerConfig(StrictModel):
    """Which algorithm proposes hyperparameters."""

    name: Literal["tpe", "random", "grid", "qmc", "cmaes"] = "tpe"
    """``tpe`` learns from the trials before; ``random``; ``grid`` tries every combination once;
    ``qmc`` spreads trials evenly; ``cmaes`` is an evolution strategy for ranges."""
    seed: Seed = 0
    """The same seed proposes the same first trials."""
    n_startup_trials: Annotated[int, Field(ge=1)] | None = None
    """Random trials before ``tpe`` or ``cmaes`` begins to learn; the others ignore it."""


class PercentilePruner(StrictModel):
    """Stop a trial that is worse than the best ``percentile`` per cent at the same tick."""

    name: Literal["percentile"] = "percentile"
    """Compare with the trials before."""
    percentile: Annotated[float, Field(gt=0.0, lt=100.0)] = 75.0
    """The best so many per cent go on: 75 stops the worst quarter."""
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 1.0
    """Epochs in which no trial is stopped."""
    n_startup_trials: Annotated[int, Field(ge=0)] = 4
    """Trials to complete before any is stopped."""


class MedianPruner(StrictModel):
    """Stop a trial that is worse than the median at the same tick."""

    name: Literal["median"]
    """Compare with the trials before."""
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 1.0
    """Epochs in which no trial is stopped."""
    n_startup_trials: Annotated[int, Field(ge=0)] = 4
    """Trials to complete before any is stopped."""


class AshaPruner(StrictModel):
    """Successive halving, asynchronous: the best ``1/eta`` go on from each rung."""

    name: Literal["asha"]
    """Successive halving."""
    min_epochs: Annotated[float, Field(ge=0.25)] = 1.0
    """The first rung: epochs every trial runs."""
    eta: Annotated[int, Field(ge=2)] = 2
    """One trial in so many goes on from a rung, to run so many times as long."""


class HyperbandPruner(StrictModel):
    """Several successive halvings side by side, from ``min_epochs`` to the space's most epochs."""

    name: Literal["hyperband"]
    """Successive halvings that start at different rungs."""
    min_epochs: Annotated[float, Field(ge=0.25)] = 0.25
    """The earliest rung: epochs every trial runs."""
    eta: Annotated[int, Field(ge=2)] = 3
    """One trial in so many goes on from a rung, to run so many times as long."""


class NoPruner(StrictModel):
    """Every trial runs to its end."""

    name: Literal["none"]
    """Stop nothing."""


PrunerConfig = Annotated[
    PercentilePruner | MedianPruner | AshaPruner | HyperbandPruner | NoPruner,
    Field(discriminator="name"),
]


class EnqueuedTrial(StrictModel):
    """Values to try first; a hyperparameter left out is proposed by the sampler."""

    learning_rate: LearningRate | None = None
    """A value of ``space.learning_rate``."""
    batch_size: BatchSize | None = None
    """A value of ``space.batch_size``."""
    epochs: Epochs | None = None
    """A value of ``space.epochs``."""
    max_length: MaxLength | None = None
    """A value of ``space.max_length``."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            message = f"expected at least one of {', '.join(HYPERPARAMETERS)}, received none"
            reject([Problem((), message)])
        return self


class RegisterConfig(StrictModel):
    """The registered model the best trial becomes a version of, and the stage it moves to."""

    name: Name
    """The name models are loaded by: ``models:/NAME/STAGE``."""
    stage: Stage = "Staging"
    """The stage the new version moves to; ``None`` for no stage."""


class SweepConfig(StrictModel):
    """How an experiment is searched: the space, the sampler, the pruner and the budget."""

    name: Name
    """The sweep's name: of the study that is continued, and of the MLflow run above the trials'."""
    experiment: Annotated[ExperimentConfig, Words("an experiment file, or a mapping")]
    """The experiment file, relative to this file; or the experiment itself, as a mapping."""
    trials: Annotated[int, Field(ge=1)] = 20
    """How many trials the sweep has in all, those of earlier calls included."""
    timeout: Seconds | None = None
    """The longest one call of the command may take: seconds, or ``90s``, ``30m``, ``2h``,
    ``1h30m``. The next call goes on where it stopped."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Start no further trial when so many have ended, one after another, without a better one
    among them."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a trial that failed is tried again. Trials that were interrupted or preempted are
    always tried again; a diverged one never is."""
    max_failures: Annotated[int, Field(ge=1)] = 3
    """The same error in so many trials in a row stops the sweep."""
    tracking_timeout: Seconds = 300.0
    """How long a tracking store that does not answer is waited for when nothing is left to train.
    What it has not got by then stays on disk, for the same command to deliver."""
    keep_checkpoints: KeepCheckpoints = 5
    """How many trials keep their model: the best so many, and what is registered. The others'
    models are removed as the sweep goes; their runs and metrics stay."""
    disk_limit: Bytes | None = None
    """The most disk that the sweep's models and its working files may take: ``20GB``. The worst
    models are removed first; the best one stays."""
    space: SpaceConfig
    """What is searched."""
    enqueue: Annotated[tuple[EnqueuedTrial, ...], Field(strict=False)] = ()
    """Trials that come first, in this order."""
    sampler: SamplerConfig = SamplerConfig()
    """Which algorithm proposes."""
    pruner: PrunerConfig = PercentilePruner()
    """Which trials are stopped before their last epoch."""
    register_as: RegisterConfig | None = Field(default=None, alias="register")
    """Where the best trial is registered; left out, nothing is."""

    @property
    def longest_max_length(self) -> int:
        """The largest max_length a trial may have."""
        return _most(self.space.max_length, self.experiment.max_length)

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        reject([*_enqueue_problems(self), *_grid_problems(self), *_rung_problems(self)])
        return self


def _most(entry: IntRange | IntChoices | None, fixed: int) -> int:
    """The largest value a trial may have; ``fixed`` where the space does not search it."""
    if entry is None:
        return fixed
    return max(entry.choices) if isinstance(entry, IntChoices) else entry.high


def _enqueue_problems(sweep: SweepConfig) -> list[Problem]:
    """Enqueued values the study could not take; Optuna would find out in mid-sweep."""
    entries = sweep.space.entries()
    problems = []
    for index, trial in enumerate(sweep.enqueue):
        for name, value in trial.model_dump(exclude_none=True).items():
            at = ("enqueue", index, name)
            entry = entries.get(name)
            if entry is not None and not entry.contains(value):
                message = (
                    f"expected a value of space.{name} ({entry.describe()}), received {value}; "
                    "change it or widen the space"
                )
                problems.append(Problem(at, message))
            fixed = getattr(sweep.experiment, name)
            if entry is None and value != fixed:
                message = (
                    f"expected {fixed}, the experiment's {name}, which the space does not search, "
                    f"received {value}; leave it out or add {name} to the space"
                )
                problems.append(Problem(at, message))
    return problems


def _grid_problems(sweep: SweepConfig) -> list[Problem]:
    """A grid needs finitely many points, and not too many."""
    if sweep.sampler.name != "grid":
        return []
    sizes = {name: entry.size for name, entry in sweep.space.entries().items()}
    endless = [name for name, size in sizes.items() if size is None]
    if endless:
        message = (
            "the grid sampler expected finitely many values, received a continuous range; "
            "add a step, write choices, or take another sampler"
        )
        return [Problem(("space", name), message) for name in endless]
    points = math.prod(size for size in sizes.values() if size is not None)
    if points > MOST_GRID_POINTS:
        message = (
            f"the grid sampler expected at most {MOST_GRID_POINTS:,} combinations, "
            f"received {points:,}; write choices, or take another sampler"
        )
        return [Problem(("space",), message)]
    return []


def _rung_problems(sweep: SweepConfig) -> list[Problem]:
    """A first rung after the last epoch would stop nothing, and Optuna refuses it late."""
    if not isinstance(sweep.pruner, AshaPruner | HyperbandPruner):
        return []
    most = _most(sweep.space.epochs, sweep.experiment.epochs)
    if sweep.pruner.min_epochs <= most:
        return []
    message = f"expected at most {most}, the most epochs a trial has, "
    return [Problem(("pruner", "min_epochs"), message + f"received {sweep.pruner.min_epochs}")]
