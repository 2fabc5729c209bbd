"""Steps in parts against steps on the whole batch, without dropout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.training.accumulation import AccumulatedStep
from finesweep.training.step import TrainStep

WORDS = "embeddings.word_table"
Batch = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, dropping nothing."""
    folder = tmp_path_factory.mktemp("accumulation") / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    rates = dict.fromkeys(("attention_dropout", "dropout", "seq_classif_dropout"), 0.0)
    (folder / "config.json").write_text(json.dumps({**config, **rates}))
    return folder


def new_step(checkpoint: Path) -> TrainStep:
    step = TrainStep(TFDistilBertForSequenceClassification.from_pretrained(checkpoint))
    step.optimizer.reset(1e-3)
    return step


def batches(n_texts: int) -> list[Batch]:
    rng = np.random.default_rng(n_texts)
    made = []
    for _ in range(4):
        ids = rng.integers(5, 60, size=(n_texts, 12)).astype(np.int32)
        mask = (np.arange(12) < rng.integers(3, 13, size=(n_texts, 1))).astype(np.int32)
        labels = rng.integers(0, 3, size=n_texts).astype(np.int32)
        made.append((ids * mask, mask, labels))
    return made


@pytest.mark.parametrize(("n_texts", "parts"), [(8, 2), (7, 3), (2, 5), (1, 2)])
def test_takes_the_steps_of_the_whole_batch(checkpoint: Path, n_texts: int, parts: int) -> None:
    whole, parted = new_step(checkpoint), new_step(checkpoint)
    in_parts = AccumulatedStep(parted, parts=parts)
    for batch in batches(n_texts):
        assert float(in_parts(*batch)) == pytest.approx(float(whole(*batch)), rel=1e-4)
    ours, theirs = parted.state(), whole.state()
    assert ours["step"].numpy() == theirs["step"].numpy() == 4
    for name, variable in ours.items():
        if name.startswith(("means.", "squares.")):
            expected = theirs[name].numpy()
            scale = max(np.abs(expected).max(), 1e-12)
            np.testing.assert_allclose(variable.numpy(), expected, atol=1e-3 * scale, err_msg=name)


def test_words_that_do_not_occur_stay_as_they_are(checkpoint: Path) -> None:
    step = new_step(checkpoint)
    before = step.state()[f"weights.{WORDS}"].numpy()
    batch = batches(8)[0]
    AccumulatedStep(step, parts=3)(*batch)
    after = step.state()
    moved = np.flatnonzero((after[f"weights.{WORDS}"].numpy() != before).any(axis=1))
    touched = np.flatnonzero((after[f"means.{WORDS}"].numpy() != 0).any(axis=1))
    assert set(moved) == set(touched) == set(np.unique(batch[0][batch[1] == 1]))
