"""What a classifier is judged by: mean loss, accuracy and F1, from logits and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def classification_metrics(
    logits: NDArray[Any], labels: NDArray[np.int32], *, prefix: str
) -> dict[str, float]:
    """``<prefix>/loss`` (mean cross-entropy), ``/accuracy`` and ``/f1`` (macro average).

    ``logits`` has shape (rows, labels), ``labels`` (rows,). F1 averages over the classes that occur
    among the labels or the predictions, as scikit-learn's ``f1_score`` does.
    """
    predictions = logits.argmax(axis=1)
    return {
        f"{prefix}/loss": float(_cross_entropy(logits.astype(np.float64), labels).mean()),
        f"{prefix}/accuracy": float((predictions == labels).mean()),
        f"{prefix}/f1": _macro_f1(predictions, labels, classes=logits.shape[1]),
    }


def _cross_entropy(logits: NDArray[np.float64], labels: NDArray[np.int32]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    losses: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=1)) - chosen
    return losses


def _macro_f1(predictions: NDArray[Any], labels: NDArray[np.int32], *, classes: int) -> float:
    predicted = np.bincount(predictions, minlength=classes)
    actual = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[predictions == labels], minlength=classes)
    occurs = predicted + actual > 0
    return float((2 * hits[occurs] / (predicted + actual)[occurs]).mean())
