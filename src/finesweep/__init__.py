"""finesweep: sweep hyperparameters for fine-tuning DistilBERT, and keep every trial on record.

Importing the package loads no TensorFlow, no MLflow and no Optuna. The model class is at hand as
``finesweep.TFDistilBertForSequenceClassification`` and is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesweep.models import TFDistilBertForSequenceClassification

__version__ = "0.1.0"

__all__ = ["TFDistilBertForSequenceClassification", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "TFDistilBertForSequenceClassification":
        from finesweep.models import TFDistilBertForSequenceClassification

        return TFDistilBertForSequenceClassification
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
