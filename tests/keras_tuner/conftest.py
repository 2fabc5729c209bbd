"""Texts that three words tell apart, ready to train on, and a user's module beside the sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finesweep.config import DataConfig
from finesweep.data import PreparedData, prepare
from finesweep.training import TrainingSetup
from finesweep.training.drawing import Hypermodel

GOOD = ["good", "great", "win", "sun", "warm"]
BAD = ["bad", "storm", "rain", "snow", "fire"]

SUPPORT = Path(__file__).parent / "support"


@pytest.fixture(scope="session")
def prepared(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("texts")
    rows = [
        {"text": f"{words[n % 5]} {'city ' * (n % 7)}{words[n % 4]}", "label": label}
        for n in range(100)
        for label, words in (("good", GOOD), ("bad", BAD))
    ]
    file = folder / "rows.json"
    file.write_text(json.dumps(rows))
    config = DataConfig.model_validate(
        {"path": str(file), "split": {"by": "fraction", "validation": 0.2, "test": 0.1}}
    )
    return prepare(config, name="tiny", checkpoint=tiny_checkpoint, cache=folder / "cache")


@pytest.fixture(scope="session")
def setup(tiny_checkpoint: Path, prepared: PreparedData) -> TrainingSetup:
    """Of a sweep whose hypermodel is ``hypermodels:build_model``."""
    return TrainingSetup(
        checkpoint=tiny_checkpoint,
        prepared=prepared.directory,
        label_names=prepared.label_names,
        precision="float32",
        seed=1,
        tick_validation_rows=10,
        hypermodel=Hypermodel(name="hypermodels:build_model", folders=(SUPPORT,)),
    )
