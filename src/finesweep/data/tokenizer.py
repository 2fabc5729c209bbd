"""The tokenizer of a checkpoint, as it was saved, without its saved padding and truncation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from finesweep.errors import CheckpointError, Location

DEFAULT_POSITIONS = 512
_FETCH_AGAIN = "fetch the checkpoint again"


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckpointTokenizer:
    """A tokenizer that neither pads nor truncates, and what a batch needs to know of it.

    ``tokenizer`` encodes a text as ``cls_id``, its pieces, ``sep_id``. ``max_positions`` is the
    longest sequence the model has positions for. ``digest`` (SHA-256, hex) is the same for
    tokenizers that give the same ids.
    """

    tokenizer: Any
    pad_id: int
    cls_id: int
    sep_id: int
    max_positions: int
    digest: str


def load_tokenizer(checkpoint: Path) -> CheckpointTokenizer:
    """The tokenizer in ``tokenizer.json``, or the WordPiece one that ``vocab.txt`` describes.

    Raises ``CheckpointError`` when the folder holds neither, when one cannot be read, when it gives
    numbers that the model has no words for, or when it does not frame a text in one [CLS] and one
    [SEP], as DistilBERT's does.
    """
    settings = _read_json(checkpoint / "tokenizer_config.json")
    saved, vocabulary = checkpoint / "tokenizer.json", checkpoint / "vocab.txt"
    if saved.is_file():
        tokenizer = _from_tokenizers(Tokenizer.from_file, saved)
    elif vocabulary.is_file():
        pieces = _from_tokenizers(models.WordPiece.read_file, vocabulary)
        tokenizer = _word_piece(pieces, settings, checkpoint)
    else:
        raise CheckpointError(
            "expected tokenizer.json or vocab.txt, found neither; save the tokenizer "
            "next to the model (tokenizer.save_pretrained)",
            at=Location(file=str(checkpoint)),
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = _read_json(checkpoint / "config.json")
    _require_words(tokenizer, model, checkpoint)
    cls_id, sep_id = _frame(tokenizer, checkpoint)
    positions = _max_positions(model, checkpoint)
    return CheckpointTokenizer(
        tokenizer=tokenizer,
        pad_id=_token_id(tokenizer, _name(settings, "pad_token", "[PAD]"), checkpoint),
        cls_id=cls_id,
        sep_id=sep_id,
        max_positions=positions,
        digest=hashlib.sha256(f"{positions}\n{tokenizer.to_str()}".encode()).hexdigest(),
    )


def _from_tokenizers(read: Callable[[str], Any], path: Path) -> Any:
    """What ``read`` makes of ``path``; tokenizers knows no exception but the bare one."""
    try:
        return read(str(path))
    except Exception as exc:
        raise CheckpointError(
            f"not a readable tokenizer file: {exc}; {_FETCH_AGAIN}", at=Location(file=str(path))
        ) from exc


def _word_piece(pieces: dict[str, int], settings: dict[str, Any], checkpoint: Path) -> Tokenizer:
    """What transformers builds from a BERT vocabulary and ``tokenizer_config.json``."""
    unknown = _name(settings, "unk_token", "[UNK]")
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token=unknown))
    try:
        tokenizer.normalizer = normalizers.BertNormalizer(
            lowercase=settings.get("do_lower_case", True),
            strip_accents=settings.get("strip_accents"),
            handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        )
    except TypeError as exc:
        raise CheckpointError(
            "expected true or false for do_lower_case, strip_accents and tokenize_chinese_chars, "
            f"received another value ({' '.join(str(exc).split())}); correct it",
            at=Location(file=str(checkpoint / "tokenizer_config.json")),
        ) from exc
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = _name(settings, "cls_token", "[CLS]"), _name(settings, "sep_token", "[SEP]")
    tokenizer.post_processor = processors.BertProcessing(
        (sep, _token_id(tokenizer, sep, checkpoint)), (cls, _token_id(tokenizer, cls, checkpoint))
    )
    special = [_name(settings, "pad_token", "[PAD]"), unknown, cls, sep]
    special.append(_name(settings, "mask_token", "[MASK]"))
    tokenizer.add_special_tokens([token for token in special if token in pieces])
    return tokenizer


def _require_words(tokenizer: Tokenizer, model: dict[str, Any], checkpoint: Path) -> None:
    """A number beyond the word table would end a training in the middle of an epoch."""
    most, words = max(tokenizer.get_vocab().values(), default=0), model.get("vocab_size")
    if isinstance(words, int) and most >= words:
        raise CheckpointError(
            f"expected a tokenizer for the model's {words:,} words (vocab_size in config.json), "
            f"received one that counts up to {most:,}; the two are not of one checkpoint: "
            "fetch both again from the same place",
            at=Location(file=str(checkpoint)),
        )


def _frame(tokenizer: Tokenizer, checkpoint: Path) -> tuple[int, int]:
    """The ids of [CLS] and [SEP]: what an empty text is encoded as."""
    ids = tokenizer.encode("").ids
    if len(ids) != 2:
        raise CheckpointError(
            f"expected a tokenizer that encodes a text as [CLS] … [SEP], this one frames it in "
            f"{len(ids)} special tokens; use a DistilBERT or BERT checkpoint",
            at=Location(file=str(checkpoint)),
        )
    return ids[0], ids[1]


def _token_id(tokenizer: Tokenizer, token: str, checkpoint: Path) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise CheckpointError(
            f"the vocabulary has no {token} token; is the tokenizer the one of this model?",
            at=Location(file=str(checkpoint)),
        )
    return int(number)


def _name(settings: dict[str, Any], role: str, default: str) -> str:
    """A special token as tokenizer_config.json writes it: a string, or an object around one."""
    token = settings.get(role) or default
    return str(token.get("content", default) if isinstance(token, dict) else token)


def _max_positions(model: dict[str, Any], checkpoint: Path) -> int:
    positions = model.get("max_position_embeddings", DEFAULT_POSITIONS)
    if not isinstance(positions, int) or positions < 2:
        raise CheckpointError(
            f"expected a whole number above 1, received {positions!r}",
            at=Location(file=str(checkpoint / "config.json"), field="max_position_embeddings"),
        )
    return positions


def _read_json(path: Path) -> dict[str, Any]:
    """The object in ``path``, empty when there is no such file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as exc:
        raise CheckpointError(
            f"expected readable JSON, received: {exc}; {_FETCH_AGAIN}", at=Location(file=str(path))
        ) from exc
    if not isinstance(value, dict):
        raise CheckpointError(
            f"expected a JSON object, received {type(value).__name__}; {_FETCH_AGAIN}",
            at=Location(file=str(path)),
        )
    return value
