"""For people who come from KerasTuner.

``suggest`` makes a ``keras_tuner.HyperParameters`` of an Optuna trial, ``Tuner`` is a
``keras_tuner.Tuner`` on an Optuna study and MLflow, and ``DistilBertHyperModel`` is our model as a
hypermodel. KerasTuner, and so Keras, is imported when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesweep.keras_tuner.distilbert import DistilBertHyperModel
    from finesweep.keras_tuner.suggesting import suggest
    from finesweep.keras_tuner.tuner import Tuner

_HOMES = {
    "DistilBertHyperModel": "distilbert",
    "Tuner": "tuner",
    "suggest": "suggesting",
}

__all__ = ["DistilBertHyperModel", "Tuner", "suggest"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
