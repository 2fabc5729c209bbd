"""DistilBERT on Keras 3: layers, the Hugging Face weight table, checkpoints and their sources.

Importing this package loads no TensorFlow; asking for the model class does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finesweep.models.config import DistilBertConfig

if TYPE_CHECKING:
    from finesweep.models.distilbert import TFDistilBertForSequenceClassification

__all__ = ["DistilBertConfig", "TFDistilBertForSequenceClassification"]


def __getattr__(name: str) -> Any:
    if name == "TFDistilBertForSequenceClassification":
        from finesweep.models.distilbert import TFDistilBertForSequenceClassification

        return TFDistilBertForSequenceClassification
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
