"""The installed command, driven as a user drives it, on a checkpoint that trains in seconds."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent / "support"))

from workplace import Swept, Workplace

GOOD = ("good", "great", "win", "sun", "warm", "city", "day")
BAD = ("bad", "storm", "rain", "snow", "fire", "city", "day")

# From this position on the checkpoint overflows: a trial that reads so far diverges.
BROKEN_FROM = 32

EXPERIMENT = """\
name: tiny
data:
  path: "data/some rows.json"
  split: {by: fraction, validation: 0.2, test: 0.1}
model: {checkpoint: ./checkpoint, precision: float32}
metric: val/loss
learning_rate: 0.01
batch_size: 8
epochs: 2
max_length: 16
"""

SWEEP = """\
experiment: experiment.yaml
name: small
trials: 4
space:
  learning_rate: {low: 1.0e-7, high: 0.1, log: true}
  epochs: {low: 1, high: 4}
  max_length: {choices: [16, 64]}
enqueue:
  - {learning_rate: 0.01, epochs: 4, max_length: 16}
  - {learning_rate: 0.01, epochs: 4, max_length: 64}    # diverges
  - {learning_rate: 1.0e-7, epochs: 4, max_length: 16}  # is pruned
  - {learning_rate: 0.02, epochs: 1, max_length: 16}
pruner: {name: median, warmup_epochs: 1, n_startup_trials: 1}
register: {name: tiny, stage: Staging}
"""


@pytest.fixture(scope="session")
def texts() -> list[dict[str, str]]:
    """400 short texts of two classes that their words tell apart; every 20th is long."""
    chance = random.Random(7)
    rows = []
    for number in range(400):
        words, label = ((GOOD, "good"), (BAD, "bad"))[number % 2]
        length = 50 if number % 20 < 2 else chance.randint(3, 8)
        rows.append({"text": " ".join([*chance.choices(words, k=length), str(number)])})
        rows[-1]["label"] = label
    return rows


@pytest.fixture(scope="session")
def new_workplace(
    tiny_checkpoint: Path,
    texts: list[dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], Workplace]:
    """Makes a working directory with data, a checkpoint, an experiment and a sweep in it."""
    home = tmp_path_factory.mktemp("home")
    unset = ("MLFLOW_TRACKING_URI", "FINESWEEP_STUDY", "FINESWEEP_CACHE", "COLUMNS", "TERM")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    # One worker at a time; two threads of a tiny model would only wait for each other.
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}

    def new_workplace() -> Workplace:
        # A space and a letter beyond ASCII in the path, as many a home directory has.
        folder = tmp_path_factory.mktemp("work") / "mein Büro"
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "some rows.json").write_text(json.dumps(texts))
        _copy_broken(tiny_checkpoint, folder / "checkpoint")
        (folder / "experiment.yaml").write_text(EXPERIMENT)
        (folder / "sweep.yaml").write_text(SWEEP)
        return Workplace(folder, environment)

    return new_workplace


def _copy_broken(checkpoint: Path, into: Path) -> None:
    into.mkdir()
    for file in checkpoint.iterdir():
        (into / file.name).write_bytes(file.read_bytes())
    weights = load_file(into / "model.safetensors")
    positions = weights["distilbert.embeddings.position_embeddings.weight"].copy()
    # Far from their mean: normalising them takes infinity times zero.
    positions[BROKEN_FROM:] = np.finfo(np.float32).min
    positions[BROKEN_FROM:, 0] = np.finfo(np.float32).max
    weights["distilbert.embeddings.position_embeddings.weight"] = positions
    save_file(weights, into / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture(scope="session")
def swept(new_workplace: Callable[[], Workplace]) -> Iterator[Swept]:
    """The one sweep that most tests look at."""
    workplace = new_workplace()
    said = workplace.run("run", "sweep.yaml")
    assert said.code == 0, said.err
    yield Swept(workplace, said)
    assert workplace.left_processes() == []


@pytest.fixture
def workplace(new_workplace: Callable[[], Workplace]) -> Iterator[Workplace]:
    """A fresh workplace, in which nothing was run."""
    workplace = new_workplace()
    yield workplace
    assert workplace.left_processes() == []
