"""Batches of similar length, padded no further than they must be. NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finesweep.data.encoded_texts import EncodedTexts
from finesweep.data.shuffling import shuffled


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Token ids, mask (1: token, 0: padding), class ids and row numbers of some texts.

    ``input_ids`` and ``attention_mask`` are int32 of shape (texts, width), ``labels`` int32 and
    ``rows`` int64 of shape (texts,).
    """

    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    labels: NDArray[np.int32]
    rows: NDArray[np.int64]


def training_batches(
    texts: EncodedTexts,
    rows: NDArray[np.int64],
    *,
    batch_size: int,
    max_length: int,
    seed: int,
    epoch: int,
    start: int = 0,
) -> Iterator[Batch]:
    """Every row of ``rows`` once, in an order that ``seed`` and ``epoch`` alone decide.

    Rows are shuffled, then brought together by the width they are padded to: a batch holds texts of
    one width in an order that differs from epoch to epoch, and the batches come in random order.
    Only the last may be smaller: a random rest, of any lengths. The first ``start`` batches are
    left out, at no cost: those come that would have followed them.
    """
    order = shuffled(rows, seed=(seed, epoch))
    n_full = len(order) // batch_size
    full, rest = np.split(order, [n_full * batch_size])
    widths = _widths(texts, full, max_length=max_length)
    # Stable, so that rows of one width stay shuffled.
    batches = full[np.argsort(widths, kind="stable")].reshape(n_full, batch_size)
    numbers = shuffled(np.arange(n_full, dtype=np.int64), seed=(seed, epoch, 1))
    for number in numbers[start:]:
        yield _assemble(texts, batches[number], max_length=max_length)
    if len(rest) and start <= n_full:
        yield _assemble(texts, rest, max_length=max_length)


def evaluation_batches(
    texts: EncodedTexts,
    rows: NDArray[np.int64],
    *,
    max_length: int,
    tokens_per_batch: int = 8192,
) -> Iterator[Batch]:
    """Every row of ``rows`` once, shortest first, in batches of at most ``tokens_per_batch``.

    Padding counts among the tokens; a batch holds one text at least. All batches of one width but
    its last hold equally many texts, so that a compiled step sees few shapes.
    """
    order = rows[np.argsort(texts.lengths[rows], kind="stable")]
    widths = _widths(texts, order, max_length=max_length)
    for width in np.unique(widths):
        members = order[widths == width]
        count = max(1, tokens_per_batch // int(width))
        for start in range(0, len(members), count):
            yield _assemble(texts, members[start : start + count], max_length=max_length)


def whole_split(texts: EncodedTexts, rows: NDArray[np.int64], *, max_length: int) -> Batch:
    """All of ``rows`` in one batch, in their order, each padded to ``max_length``."""
    return _assemble(texts, rows, max_length=max_length, width=max_length)


def _widths(texts: EncodedTexts, rows: NDArray[np.int64], *, max_length: int) -> NDArray[np.int32]:
    """The width each text would be padded to if it stood alone: never past ``max_length``.

    Short texts are not padded at all, long ones by a sixteenth at most: few shapes for a compiled
    step to see, and next to nothing computed for nobody.
    """
    lengths = texts.lengths[rows]
    _, digits = np.frexp(lengths)  # binary digits of the length
    step = 1 << np.maximum(digits - 5, 0)
    widths: NDArray[np.int32] = np.minimum(-(-lengths // step) * step, max_length)
    return widths


def _assemble(
    texts: EncodedTexts, rows: NDArray[np.int64], *, max_length: int, width: int | None = None
) -> Batch:
    """Cut and pad the texts of ``rows``, all at once: to ``width``, or no further than must be.

    A text that is cut keeps its first tokens and ends in [SEP], as the tokenizer's own truncation
    has it.
    """
    full_lengths = texts.lengths[rows]
    lengths = np.minimum(full_lengths, max_length)
    columns = np.arange(width or _widths(texts, rows, max_length=max_length).max())
    mask = columns < lengths[:, None]
    input_ids = np.full(mask.shape, texts.pad_id, dtype=np.int32)
    input_ids[mask] = texts.tokens[(texts.offsets[rows][:, None] + columns)[mask]]
    input_ids[full_lengths > max_length, max_length - 1 :] = texts.sep_id
    return Batch(
        input_ids=input_ids,
        attention_mask=mask.astype(np.int32),
        labels=texts.labels[rows],
        rows=rows,
    )
