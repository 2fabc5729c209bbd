"""Experiment and sweep files: YAML in, frozen pydantic models out.

``load_experiment`` and ``load_sweep`` read a file, lay ``--set`` overrides over it, make its paths
absolute and validate it; every mistake becomes a ``ConfigError`` that names file, line and field.
``to_yaml`` and ``to_plain`` write a configuration out again with all its defaults, and
``differences`` compares two.
"""

from finesweep.config.algorithms import (
    AshaPruner,
    HyperbandPruner,
    MedianPruner,
    NoPruner,
    PercentilePruner,
    PrunerConfig,
    SamplerConfig,
)
from finesweep.config.base import StrictModel
from finesweep.config.experiment import (
    DataConfig,
    ExperimentConfig,
    FileSplit,
    FractionSplit,
    ModelConfig,
    PositionSplit,
)
from finesweep.config.hypermodel import hypermodel_folders
from finesweep.config.loader import load_experiment, load_sweep
from finesweep.config.resolved import Difference, differences, to_plain, to_yaml
from finesweep.config.space import (
    FloatChoices,
    FloatRange,
    IntChoices,
    IntRange,
    SpaceConfig,
)
from finesweep.config.sweep import EnqueuedTrial, RegisterConfig, SweepConfig

__all__ = [
    "AshaPruner",
    "DataConfig",
    "Difference",
    "EnqueuedTrial",
    "ExperimentConfig",
    "FileSplit",
    "FloatChoices",
    "FloatRange",
    "FractionSplit",
    "HyperbandPruner",
    "IntChoices",
    "IntRange",
    "MedianPruner",
    "ModelConfig",
    "NoPruner",
    "PercentilePruner",
    "PositionSplit",
    "PrunerConfig",
    "RegisterConfig",
    "SamplerConfig",
    "SpaceConfig",
    "StrictModel",
    "SweepConfig",
    "differences",
    "hypermodel_folders",
    "load_experiment",
    "load_sweep",
    "to_plain",
    "to_yaml",
]
