"""The article's own file, where it is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finesweep.config import DataConfig
from finesweep.data import EncodedTexts, check, prepare, training_batches

HEADLINES = Path(__file__).parents[2].parent / "shared" / "data" / "sarcasm.json"

pytestmark = pytest.mark.skipif(not HEADLINES.is_file(), reason="needs the article's headlines")


@pytest.fixture(scope="module")
def config() -> DataConfig:
    return DataConfig.model_validate(
        {
            "path": str(HEADLINES),
            "text": "headline",
            "label": "is_sarcastic",
            "split": {"by": "position", "train": 20_000, "validation": 6_709},
        }
    )


def test_the_headlines_are_what_they_are_known_to_be(config: DataConfig, tmp_path: Path) -> None:
    report = check(config, cache=tmp_path, tokenizer=None)
    assert report.ok
    assert report.rows == 26_709
    assert [(entry.label, entry.rows) for entry in report.classes] == [(0, 14_985), (1, 11_724)]
    assert [split.rows for split in report.splits] == [20_000, 6_709]
    assert (report.missing_texts, report.missing_labels) == (0, 0)
    assert report.duplicates == 107
    # 31 different texts: 40 rows of training and 34 of validation hold them.
    assert report.texts_in_two_splits == 31
    assert any("34 rows of validation and test seen" in text for text in report.warnings)
    assert report.texts_with_two_labels == 0


def test_the_headlines_are_prepared_whole(
    config: DataConfig, checkpoint: Path, tmp_path: Path
) -> None:
    prepared = prepare(config, name="headlines", checkpoint=checkpoint, cache=tmp_path)
    assert (prepared.n_train, prepared.n_validation, prepared.n_test) == (20_000, 6_709, 0)
    texts = EncodedTexts.open(prepared.directory)
    assert np.array_equal(texts.train, np.arange(20_000))
    rows = [
        batch.rows
        for batch in training_batches(
            texts, texts.train, batch_size=16, max_length=64, seed=0, epoch=0
        )
    ]
    assert np.array_equal(np.sort(np.concatenate(rows)), texts.train)
