"""Who proposes the trials of a sweep, and who stops those that lead nowhere."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from finesweep.config.base import Problem, StrictModel, reject
from finesweep.config.experiment import Epochs, Seed

HYPERBAND_KEYS = ("max_epochs", "factor", "iterations")


class SamplerConfig(StrictModel):
    """Which algorithm proposes hyperparameters."""

    name: Literal[
        "tpe",
        "random",
        "grid",
        "qmc",
        "cmaes",
        "keras_tuner.bayesian",
        "keras_tuner.random",
        "keras_tuner.hyperband",
        "keras_tuner.grid",
    ] = "tpe"
    """``tpe`` learns from the trials before; ``random``; ``grid`` tries every combination once;
    ``qmc`` spreads trials evenly; ``cmaes`` is an evolution strategy for ranges. Those of
    ``keras_tuner`` are its oracles: ``bayesian`` is a Gaussian process, ``hyperband`` trains many
    trials for a few epochs and goes on with the best. See [samplers.md](samplers.md)."""
    seed: Seed = 0
    """The same seed proposes the same first trials."""
    n_startup_trials: Annotated[int, Field(ge=1)] | None = None
    """Random trials before ``tpe``, ``cmaes`` or ``keras_tuner.bayesian`` begins to learn; the
    others ignore it."""
    max_epochs: Epochs | None = None
    """Of ``keras_tuner.hyperband``: the most epochs a trial has; the experiment's when left out."""
    factor: Annotated[int, Field(ge=2)] | None = None
    """Of ``keras_tuner.hyperband``: one trial in so many goes on, to train so many times as long; 3
    when left out."""
    iterations: Annotated[int, Field(ge=1)] | None = None
    """Of ``keras_tuner.hyperband``: how often it goes through all its brackets; once when left
    out."""

    @property
    def is_oracle(self) -> bool:
        """Whether it is one of KerasTuner's, which is loaded for it."""
        return self.name.startswith("keras_tuner.")

    @property
    def is_grid(self) -> bool:
        """Whether it tries every combination once."""
        return self.name in ("grid", "keras_tuner.grid")

    @property
    def is_hyperband(self) -> bool:
        """Whether it decides how many epochs a trial has, and goes on with the best."""
        return self.name == "keras_tuner.hyperband"

    @model_validator(mode="after")
    def _keys_belong_to_it(self) -> Self:
        if self.is_hyperband:
            return self
        given = [name for name in HYPERBAND_KEYS if getattr(self, name) is not None]
        message = f"belongs to keras_tuner.hyperband, received it for {self.name}; leave it out"
        reject([Problem((name,), message, against=("name",)) for name in given])
        return self


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
