"""Texts to token ids: all of them, once, in one flat array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from finesweep.data.sources import Progress
from finesweep.data.tokenizer import CheckpointTokenizer

_BATCH = 2000


def encode(
    texts: Sequence[str], tokenizer: CheckpointTokenizer, *, progress: Progress | None = None
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Tokens of all texts end to end, and offsets (texts + 1) of where each begins and ends.

    A text is [CLS] … [SEP], cut to the model's positions; a shorter max_length is cut from it
    later, by the batch, which gives what the tokenizer's own truncation would.
    """
    pieces: list[NDArray[np.int32]] = [
        _cut(ids, tokenizer) for ids in _encoded(texts, tokenizer, progress=progress)
    ]
    offsets = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    tokens = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
    return tokens, offsets


def token_lengths(
    texts: Sequence[str], tokenizer: CheckpointTokenizer, *, progress: Progress | None = None
) -> NDArray[np.int64]:
    """How many tokens each text has, [CLS] and [SEP] included, uncut."""
    return np.fromiter(
        (len(ids) for ids in _encoded(texts, tokenizer, progress=progress)),
        dtype=np.int64,
        count=len(texts),
    )


def _encoded(
    texts: Sequence[str], tokenizer: CheckpointTokenizer, *, progress: Progress | None
) -> Iterator[list[int]]:
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        for encoding in tokenizer.tokenizer.encode_batch_fast(batch):
            yield encoding.ids
        if progress is not None:
            progress("tokenizing the texts", start + len(batch), len(texts))


def _cut(ids: list[int], tokenizer: CheckpointTokenizer) -> NDArray[np.int32]:
    cut = np.array(ids[: tokenizer.max_positions], dtype=np.int32)
    if len(ids) > tokenizer.max_positions:
        cut[-1] = tokenizer.sep_id
    return cut
