from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from finesweep.data import load_tokenizer
from finesweep.errors import CheckpointError

TEXT = "Man wins DOGS, the caf\u00e9 [SEP] park " * 5


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "checkpoint"))


def vocabulary_only(folder: Path) -> None:
    """Leave of the tokenizer what BERT's first releases had: a list of words."""
    words = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    (folder / "tokenizer.json").unlink()
    lines = sorted(words, key=lambda word: int(words[word]))
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def message(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(folder)
    return str(caught.value)


def test_saved_padding_and_truncation_are_switched_off(checkpoint: Path) -> None:
    loaded = load_tokenizer(checkpoint)
    ids = loaded.tokenizer.encode(TEXT).ids
    assert len(ids) > 32
    assert 0 not in ids
    assert (ids[0], ids[-1]) == (loaded.cls_id, loaded.sep_id) == (2, 3)
    assert (loaded.pad_id, loaded.max_positions) == (0, 32)
    assert len(loaded.tokenizer.encode("man").ids) == 3


def test_a_vocabulary_alone_gives_the_same_tokens(checkpoint: Path, copy: Path) -> None:
    vocabulary_only(copy)
    saved, built = load_tokenizer(checkpoint), load_tokenizer(copy)
    assert built.tokenizer.encode(TEXT).ids == saved.tokenizer.encode(TEXT).ids
    assert (built.pad_id, built.cls_id, built.sep_id) == (0, 2, 3)


def test_a_vocabulary_follows_the_settings_beside_it(copy: Path) -> None:
    vocabulary_only(copy)
    (copy / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": False, "pad_token": {"content": "[PAD]"}})
    )
    loaded = load_tokenizer(copy)
    assert loaded.tokenizer.encode("Man man").tokens == ["[CLS]", "[UNK]", "man", "[SEP]"]


def test_the_digest_tells_tokenizers_apart(checkpoint: Path, copy: Path) -> None:
    assert load_tokenizer(copy).digest == load_tokenizer(checkpoint).digest
    (copy / "config.json").write_text('{"max_position_embeddings": 16}')
    assert load_tokenizer(copy).digest != load_tokenizer(checkpoint).digest


def test_the_model_has_512_positions_unless_it_says_otherwise(copy: Path) -> None:
    (copy / "config.json").unlink()
    assert load_tokenizer(copy).max_positions == 512


def test_what_cannot_be_a_tokenizer_is_an_error(copy: Path, tmp_path: Path) -> None:
    assert "expected tokenizer.json or vocab.txt, found neither" in message(tmp_path)
    (copy / "config.json").write_text('{"max_position_embeddings": "many"}')
    assert "field 'max_position_embeddings': expected a whole number above 1" in message(copy)
    (copy / "config.json").write_text("[]")
    assert "config.json: expected a JSON object" in message(copy)
    (copy / "config.json").write_text("{")
    assert "config.json: expected readable JSON" in message(copy)
    (copy / "config.json").write_text("{}")
    (copy / "tokenizer_config.json").write_text('{"pad_token": "<pad>"}')
    assert "the vocabulary has no <pad> token" in message(copy)
    (copy / "tokenizer.json").write_text("{}")
    assert "tokenizer.json: not a readable tokenizer file" in message(copy)


def test_a_tokenizer_of_more_words_than_the_model_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text('{"vocab_size": 5}')
    assert "expected a tokenizer for the model's 5 words" in message(copy)


def test_settings_that_are_no_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": "yes"}')
    assert "tokenizer_config.json: expected true or false" in message(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": {"id": 0}}')
    assert load_tokenizer(tmp_path).pad_id == 0


def test_a_tokenizer_without_cls_and_sep_is_refused(copy: Path) -> None:
    Tokenizer(models.WordPiece({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]")).save(
        str(copy / "tokenizer.json")
    )
    assert "expected a tokenizer that encodes a text as [CLS] … [SEP]" in message(copy)


def test_a_vocabulary_without_the_special_tokens_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    assert "the vocabulary has no [SEP] token" in message(tmp_path)
