"""What a sampler goes with, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finesweep.config import SweepConfig
from finesweep.errors import Location

HYPERBAND = """\
experiment:
  name: headlines
  data: {path: rows.json}
  schedule: constant
name: search
space:
  learning_rate: {low: 1.0e-5, high: 1.0e-4, log: true}
pruner: {name: none}
sampler: {name: keras_tuner.hyperband}
"""

MISTAKES = [
    ("schedule: constant", "schedule: linear", "experiment.schedule", "expected constant"),
    ("pruner: {name: none}", "", "pruner.name", "received percentile; write pruner: {name: none}"),
    ("space:\n", "space:\n  epochs: {low: 1, high: 4}\n", "space.epochs", "sampler.max_epochs"),
    ("name: search", "name: search\nenqueue: [{epochs: 3}]", "enqueue.0.epochs", "leave it out"),
    ("hyperband}", "hyperband, max_epochs: 1}", "sampler.max_epochs", "expected at least 2"),
    ("hyperband}", "hyperband, factor: 1}", "sampler.factor", "at least 2"),
    ("hyperband}", "random, factor: 3}", "sampler.factor", "belongs to keras_tuner.hyperband"),
    ("keras_tuner.hyperband", "keras_tuner.hyperbnad", "sampler.name", "did you mean keras_tuner."),
    ("1.0e-4, log: true", "1.0e-4, log: true, step: 1.0e-5", "space.learning_rate.step", "no step"),
]


@pytest.mark.parametrize(("old", "new", "field", "words"), MISTAKES)
def test_a_mistake_is_told_with_its_field(
    refused_sweep: Callable[..., Any], old: str, new: str, field: str, words: str
) -> None:
    assert HYPERBAND.count(old) == 1
    error = refused_sweep(HYPERBAND.replace(old, new))
    assert isinstance(error.at, Location)
    assert error.at.field == field
    assert words in error.message


def test_with_a_hypermodel_hyperband_leaves_the_schedule_to_its_code(
    sweep: Callable[..., SweepConfig], tmp_path: Path
) -> None:
    (tmp_path / "m.py").write_text("def build(hp): ...\n")
    text = HYPERBAND.replace("schedule: constant", "schedule: linear") + "hypermodel: m:build\n"
    assert sweep(text).sampler.is_hyperband


def test_hyperband_has_the_experiments_epochs_or_its_own(
    sweep: Callable[..., SweepConfig],
) -> None:
    config = sweep(HYPERBAND)
    assert config.most_epochs == config.experiment.epochs == 3
    longer = sweep(HYPERBAND, "sampler.max_epochs=9")
    assert longer.most_epochs == 9
    assert longer.space.epochs is None
    entry = longer.study_space.epochs
    assert entry is not None
    assert (entry.contains(1), entry.contains(9), entry.contains(10)) == (True, True, False)


def test_kerastuners_grid_takes_a_continuous_range(sweep: Callable[..., SweepConfig]) -> None:
    assert sweep(HYPERBAND.replace("hyperband", "grid")).sampler.is_oracle


def test_but_no_range_of_a_million_steps(refused_sweep: Callable[..., Any]) -> None:
    text = HYPERBAND.replace("hyperband", "grid")
    stepped = "{low: 1.0e-9, high: 1.0e-3, step: 1.0e-9}"
    error = refused_sweep(text.replace("{low: 1.0e-5, high: 1.0e-4, log: true}", stepped))
    assert error.at.field == "space.learning_rate"
    assert "expected at most 100,000 values, received 1,000,000; write choices" in error.message
