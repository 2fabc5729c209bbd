"""The names of the columns a registered model takes and gives; its public interface."""

from __future__ import annotations

from collections.abc import Sequence

TEXT = "text"
LABEL = "label"
SCORE = "score"


def probability_column(label: str) -> str:
    """The column with the probability of one class, such as ``probability_satire``."""
    return f"probability_{label}"


def output_columns(label_names: Sequence[str]) -> list[str]:
    """All columns of a prediction: the label, its score, then a probability for each class."""
    return [LABEL, SCORE, *map(probability_column, label_names)]
