"""What the tests of the data room share: a tiny checkpoint and files of headlines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from finesweep.config import DataConfig
from finesweep.data import EncodedTexts

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["man", "wins", "says", "new", "report", "dog", "park", "the", "##s", "##ing", "a", "b"]

Write = Callable[[str, bytes | str], Path]
Headlines = Callable[..., Path]
FakeTexts = Callable[..., EncodedTexts]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with a WordPiece tokenizer.json that was saved padding and truncating."""
    folder = tmp_path_factory.mktemp("checkpoint")
    vocabulary = {word: number for number, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.enable_truncation(6)
    tokenizer.enable_padding(length=6)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 32}))
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the test's folder and gives its path."""

    def write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def headlines(write: Write) -> Headlines:
    """Writes a JSON file in the article's schema, from texts and labels or with 40 rows."""

    def headlines(
        name: str = "headlines.json",
        *,
        texts: Sequence[Any] | None = None,
        labels: Sequence[Any] | None = None,
    ) -> Path:
        texts = [f"man says report {'s' * (i + 1)}" for i in range(40)] if texts is None else texts
        labels = [i % 2 for i in range(len(texts))] if labels is None else labels
        rows = [
            {"headline": text, "is_sarcastic": label}
            for text, label in zip(texts, labels, strict=True)
        ]
        return write(name, json.dumps(rows, indent=0))

    return headlines


@pytest.fixture
def config() -> Callable[..., DataConfig]:
    """Builds a DataConfig for the article's columns."""

    def config(path: Path | str, **fields: Any) -> DataConfig:
        values = {"text": "headline", "label": "is_sarcastic", **fields}
        return DataConfig.model_validate({"path": str(path), **values})

    return config


@pytest.fixture
def fake_texts() -> FakeTexts:
    """Builds EncodedTexts of given lengths whose tokens tell their row and position."""

    def fake_texts(lengths: Sequence[int], labels: Sequence[int] | None = None) -> EncodedTexts:
        sizes: NDArray[np.int32] = np.asarray(lengths, dtype=np.int32)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        tokens = np.arange(offsets[-1], dtype=np.int32) + 1000
        tokens[offsets[:-1]] = 2
        tokens[offsets[1:] - 1] = 3
        rows = np.arange(len(sizes), dtype=np.int64)
        return EncodedTexts(
            tokens=tokens,
            offsets=offsets,
            lengths=sizes,
            labels=np.asarray(labels if labels is not None else rows % 2, dtype=np.int32),
            train=rows,
            validation=rows[:0],
            test=rows[:0],
            pad_id=0,
            sep_id=3,
            max_positions=512,
        )

    return fake_texts
