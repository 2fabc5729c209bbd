"""What goes into the model's ``predict`` and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class SequenceClassifierOutput(NamedTuple):
    """Logits of shape (rows, labels), as ``.logits`` and as ``[0]``."""

    logits: Any


def as_model_inputs(x: Any) -> Any:
    """Token ids in any form a tokenizer returns, as arrays with a batch axis.

    ``tokenizer.encode`` without ``return_tensors`` gives a list of ids, ``tokenizer(…)`` a mapping
    that is no dict; datasets and generators pass through untouched. Raises ``ValueError`` for texts
    that were not tokenized, and for lists of different lengths.
    """
    if isinstance(x, Mapping) or hasattr(x, "input_ids"):
        inputs = {name: _ids(x[name]) for name in ("input_ids", "attention_mask") if name in x}
        return inputs | ({"labels": x["labels"]} if "labels" in x else {})
    if isinstance(x, list | np.ndarray) or len(getattr(x, "shape", ())) == 1:
        return _ids(x)
    return x


def _ids(ids: Any) -> Any:
    """Ids or a mask with a batch axis; what is a tensor stays one."""
    if not hasattr(ids, "shape"):
        rows = ids if ids and isinstance(ids[0], list | tuple | np.ndarray) else [ids]
        if not ids or any(isinstance(value, str) for row in rows for value in row):
            raise ValueError(
                f"expected token ids, received {'no text' if not ids else 'text'}; tokenize first: "
                "model.predict(tokenizer(texts, padding=True, truncation=True))"
            )
        if len({len(row) for row in rows}) > 1:
            raise ValueError(
                "expected rows of one length, received rows of different lengths; tokenize with "
                "padding=True and give the attention_mask too"
            )
        ids = np.asarray(rows, dtype=np.int32)
    return ids[None] if len(ids.shape) == 1 else ids
