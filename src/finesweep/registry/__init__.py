"""Registered models: packaged as MLflow pyfunc models, moved through stages, loaded and served.

A packaged model is code and a ``save_pretrained`` directory, no pickle, so that plain MLflow loads
it wherever finesweep is installed. A stage and the alias of the same lower-case name always move
together. MLflow is imported when a function is called; its exceptions become ``RegistryError``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesweep.registry.file_prediction import predict_file
    from finesweep.registry.history import StageChange, stage_history, version_in_stage
    from finesweep.registry.packaging import package, warm_up
    from finesweep.registry.prediction import Predictions, predict
    from finesweep.registry.promotion import promote
    from finesweep.registry.registration import register
    from finesweep.registry.serving import serve
    from finesweep.registry.stages import STAGES
    from finesweep.registry.versions import RegisteredVersion, list_versions

_HOMES = {
    "Predictions": "prediction",
    "RegisteredVersion": "versions",
    "STAGES": "stages",
    "StageChange": "history",
    "list_versions": "versions",
    "package": "packaging",
    "predict": "prediction",
    "predict_file": "file_prediction",
    "promote": "promotion",
    "register": "registration",
    "serve": "serving",
    "stage_history": "history",
    "version_in_stage": "history",
    "warm_up": "packaging",
}

__all__ = [
    "STAGES",
    "Predictions",
    "RegisteredVersion",
    "StageChange",
    "list_versions",
    "package",
    "predict",
    "predict_file",
    "promote",
    "register",
    "serve",
    "stage_history",
    "version_in_stage",
    "warm_up",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
