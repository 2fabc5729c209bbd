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
    that is no dict; datasets and generators pass through untouched.
    """
    if isinstance(x, Mapping) or hasattr(x, "input_ids"):
        wanted = ("input_ids", "attention_mask")
        return {name: _with_batch_axis(x[name]) for name in wanted if name in x}
    if isinstance(x, list | tuple | np.ndarray):
        return _with_batch_axis(x)
    return x


def _with_batch_axis(ids: Any) -> Any:
    if not hasattr(ids, "shape"):
        ids = np.asarray(ids, dtype=np.int32)
    return ids[None] if len(ids.shape) == 1 else ids
