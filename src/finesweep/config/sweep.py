"""A sweep file: how an experiment is searched."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from finesweep.config.algorithms import (
    AshaPruner,
    HyperbandPruner,
    NoPruner,
    PercentilePruner,
    PrunerConfig,
    SamplerConfig,
)
from finesweep.config.base import Problem, StrictModel, Words, reject
from finesweep.config.experiment import (
    BatchSize,
    Epochs,
    ExperimentConfig,
    LearningRate,
    MaxLength,
    Name,
)
from finesweep.config.hypermodel import HypermodelName
from finesweep.config.quantities import Bytes, Seconds
from finesweep.config.space import HYPERPARAMETERS, IntChoices, IntRange, SpaceConfig
from finesweep.config.warm_start import WarmStart, source_problems

Stage = Literal["None", "Staging", "Production", "Archived"]

KeepCheckpoints = Annotated[
    Annotated[int, Field(ge=1)] | Literal["all"], Words("a whole number of at least 1, or all")
]

# A grid is laid out in memory before the first trial.
MOST_GRID_POINTS = 100_000

_MAX_EPOCHS = ("sampler", "max_epochs")


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
    space: SpaceConfig = SpaceConfig()
    """What is searched; with a hypermodel it may be left out."""
    hypermodel: HypermodelName | None = None
    """``module:name`` of a KerasTuner ``build_model(hp)`` or ``HyperModel`` that builds the models
    and draws hyperparameters of its own; left out, DistilBERT is fine-tuned. The module is looked
    for in the folder of this file, then in the working directory. What ``space`` names is searched
    as it says there, whatever range the hypermodel gives it."""
    enqueue: Annotated[tuple[EnqueuedTrial, ...], Field(strict=False)] = ()
    """Trials that come first, in this order."""
    warm_start: WarmStart = ()
    """Earlier work whose finished trials the sampler learns from before the first trial: sweeps of
    the same study database by name, ``mlflow:EXPERIMENT``, the path of a KerasTuner project (with a
    slash in it: ``./project``), or an Optuna storage, ``sqlite:///old.db`` for all its studies,
    ``sqlite:///old.db#STUDY`` for one."""
    sampler: SamplerConfig = SamplerConfig()
    """Which algorithm proposes."""
    pruner: PrunerConfig = PercentilePruner()
    """Which trials are stopped before their last epoch."""
    register_as: RegisterConfig | None = Field(default=None, alias="register")
    """Where the best trial is registered; left out, nothing is."""

    @property
    def most_epochs(self) -> int:
        """The most epochs a trial may have."""
        if self.sampler.is_hyperband:
            return self.sampler.max_epochs or self.experiment.epochs
        return _most(self.space.epochs, self.experiment.epochs)

    @property
    def study_space(self) -> SpaceConfig:
        """What the study holds of each trial: the space, and the epochs where hyperband decides."""
        if not self.sampler.is_hyperband:
            return self.space
        return self.space.model_copy(update={"epochs": IntRange(low=1, high=self.most_epochs)})

    @property
    def longest_max_length(self) -> int:
        """The largest max_length a trial may have."""
        return _most(self.space.max_length, self.experiment.max_length)

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        reject(
            [
                *_space_problems(self),
                *_enqueue_problems(self),
                *source_problems(self.warm_start, sweep=self.name),
                *_grid_problems(self),
                *_rung_problems(self),
                *_hyperband_problems(self),
            ]
        )
        return self


def _most(entry: IntRange | IntChoices | None, fixed: int) -> int:
    """The largest value a trial may have; ``fixed`` where the space does not search it."""
    if entry is None:
        return fixed
    return max(entry.choices) if isinstance(entry, IntChoices) else entry.high


def _space_problems(sweep: SweepConfig) -> list[Problem]:
    """Something must be searched: by the space, or by a hypermodel."""
    if sweep.space.entries() or sweep.hypermodel is not None:
        return []
    listed = ", ".join(HYPERPARAMETERS)
    message = f"expected at least one of {listed}, received none; or name a hypermodel"
    return [Problem(("space",), message)]


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
    if not sweep.sampler.is_grid:
        return []
    sizes = {name: entry.size for name, entry in sweep.space.entries().items()}
    if sweep.sampler.is_oracle:
        # KerasTuner's takes ten values of a continuous range, and one point after another.
        return [
            Problem(("space", name), _too_many("values", size))
            for name, size in sizes.items()
            if size is not None and size > MOST_GRID_POINTS
        ]
    endless = [name for name, size in sizes.items() if size is None]
    if endless:
        message = (
            "the grid sampler expected finitely many values, received a continuous range; "
            "add a step, write choices, or take another sampler"
        )
        return [Problem(("space", name), message) for name in endless]
    points = math.prod(size for size in sizes.values() if size is not None)
    if points > MOST_GRID_POINTS:
        return [Problem(("space",), _too_many("combinations", points))]
    return []


def _too_many(what: str, count: int) -> str:
    return (
        f"the grid sampler expected at most {MOST_GRID_POINTS:,} {what}, received {count:,}; "
        "write choices, or take another sampler"
    )


def _rung_problems(sweep: SweepConfig) -> list[Problem]:
    """A first rung after the last epoch would stop nothing, and Optuna refuses it late."""
    if not isinstance(sweep.pruner, AshaPruner | HyperbandPruner):
        return []
    most = sweep.most_epochs
    if sweep.pruner.min_epochs <= most:
        return []
    message = f"expected at most {most}, the most epochs a trial has, "
    return [Problem(("pruner", "min_epochs"), message + f"received {sweep.pruner.min_epochs}")]


def _hyperband_problems(sweep: SweepConfig) -> list[Problem]:
    """What hyperband decides itself, and what would keep it from going on with a trial."""
    if not sweep.sampler.is_hyperband:
        return []
    problems = []
    if sweep.space.epochs is not None:
        message = (
            "keras_tuner.hyperband decides how many epochs a trial has, received a search of them; "
            "leave it out, and write the most as sampler.max_epochs"
        )
        problems.append(Problem(("space", "epochs"), message, against=("sampler", "name")))
    # A hypermodel's code has its own schedule.
    if sweep.experiment.schedule != "constant" and sweep.hypermodel is None:
        message = (
            "keras_tuner.hyperband goes on with trials after their last epoch, where a linear "
            "schedule has come to 0; expected constant, received linear"
        )
        problems.append(Problem(("experiment", "schedule"), message, against=("sampler", "name")))
    if not isinstance(sweep.pruner, NoPruner):
        message = (
            "keras_tuner.hyperband stops the worst trials itself; expected none, received "
            f"{sweep.pruner.name}; write pruner: {{name: none}}"
        )
        problems.append(Problem(("pruner", "name"), message, against=("sampler", "name")))
    if sweep.most_epochs < 2:
        message = "expected at least 2 epochs for keras_tuner.hyperband to go on with, received 1"
        at = ("experiment", "epochs") if sweep.sampler.max_epochs is None else _MAX_EPOCHS
        problems.append(Problem(at, message, against=("sampler", "name")))
    problems += [
        Problem(("enqueue", index, "epochs"), "keras_tuner.hyperband decides it; leave it out")
        for index, trial in enumerate(sweep.enqueue)
        if trial.epochs is not None
    ]
    return problems
