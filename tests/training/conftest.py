from __future__ import annotations

import json
from pathlib import Path

import pytest

from finesweep.config import DataConfig
from finesweep.data import prepare
from finesweep.training import TrainingSetup

GOOD = ["good", "great", "win", "sun", "warm"]
BAD = ["bad", "storm", "rain", "snow", "fire"]


@pytest.fixture(scope="session")
def setup(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingSetup:
    """200 short texts of two classes that three words tell apart, ready to train on in float32."""
    folder = tmp_path_factory.mktemp("training")
    rows = [
        {
            "text": f"{words[n % 5]} {words[n % 3]} {'city ' * (n % 7)}{words[n % 4]}",
            "label": label,
        }
        for n in range(100)
        for label, words in (("good", GOOD), ("bad", BAD))
    ]
    file = folder / "rows.json"
    file.write_text(json.dumps(rows))
    config = DataConfig.model_validate(
        {
            "path": str(file),
            "split": {"by": "fraction", "validation": 0.2, "test": 0.1},
        }
    )
    data = prepare(config, name="tiny", checkpoint=tiny_checkpoint, cache=folder / "cache")
    return TrainingSetup(
        checkpoint=tiny_checkpoint,
        prepared=data.directory,
        label_names=data.label_names,
        precision="float32",
        seed=1,
        tick_validation_rows=10,
    )
