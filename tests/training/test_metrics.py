from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finesweep.training.metrics import classification_metrics


@given(rows=st.integers(1, 40), classes=st.integers(2, 5), seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_agrees_with_scikit_learn(rows: int, classes: int, seed: int) -> None:
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)).astype(np.float32)
    labels = rng.integers(0, classes, size=rows).astype(np.int32)
    measured = classification_metrics(logits, labels, prefix="val")
    predictions = logits.argmax(axis=1)
    powers = np.exp(logits.astype(np.float64))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    assert measured == pytest.approx(
        {
            "val/loss": log_loss(labels, probabilities, labels=range(classes)),
            "val/accuracy": accuracy_score(labels, predictions),
            "val/f1": f1_score(labels, predictions, average="macro", zero_division=0),
        },
        abs=1e-6,
    )


def test_a_certain_but_wrong_prediction_has_a_finite_loss() -> None:
    measured = classification_metrics(
        np.array([[1000.0, -1000.0]]), np.array([1], dtype=np.int32), prefix="test"
    )
    assert measured["test/loss"] == 2000.0


def test_nan_logits_give_a_nan_loss() -> None:
    measured = classification_metrics(
        np.array([[np.nan, 0.0]]), np.array([0], dtype=np.int32), prefix="val"
    )
    assert np.isnan(measured["val/loss"])
