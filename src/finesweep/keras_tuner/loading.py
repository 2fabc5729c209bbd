"""From the name of a hypermodel to one KerasTuner hypermodel after another."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import keras_tuner

from finesweep.errors import ConfigError, Location
from finesweep.training.drawing import Hypermodel
from finesweep.training.progress import TrainingSetup

_FIELD = Location(field="hypermodel")


class FunctionHyperModel(keras_tuner.HyperModel):
    """A ``build_model(hp)`` function as a hypermodel."""

    def __init__(self, build_model: Callable[[Any], Any]) -> None:
        self._build_model = build_model
        super().__init__(name=getattr(build_model, "__name__", None))

    def build(self, hp: Any) -> Any:
        """The model that the function builds."""
        return self._build_model(hp)


def hypermodel_maker(hypermodel: Hypermodel, setup: TrainingSetup) -> Callable[[], Any]:
    """Import the user's module; what is returned makes a ``keras_tuner.HyperModel`` for each trial.

    A function ``build_model(hp)`` and an instance serve all trials. A class is instantiated anew:
    by its class method ``for_experiment(setup)`` if it has one, else without arguments. The folders
    stay in front of ``sys.path``, for modules the user's own imports when it is called.

    Raises:
        ConfigError: the module cannot be imported, or the name in it is nothing of the kind.
    """
    found = _imported(hypermodel)
    if isinstance(found, keras_tuner.HyperModel):
        return lambda: found
    if isinstance(found, type) and issubclass(found, keras_tuner.HyperModel):
        for_experiment = getattr(found, "for_experiment", None)
        return lambda: for_experiment(setup) if for_experiment else _instance(found)
    if callable(found):
        return lambda: FunctionHyperModel(found)
    raise ConfigError(
        "expected a function build_model(hp), a keras_tuner.HyperModel or a class of one, "
        f"received {type(found).__name__} as {hypermodel.name}; name another",
        at=_FIELD,
    )


def _imported(hypermodel: Hypermodel) -> Any:
    module, _, name = hypermodel.name.partition(":")
    folders = [str(folder) for folder in hypermodel.folders]
    sys.path[:] = [*folders, *(entry for entry in sys.path if entry not in folders)]
    try:
        imported = importlib.import_module(module)
    except Exception as exc:
        why = " ".join(f"{type(exc).__name__}: {exc}".split())
        raise ConfigError(f"the module {module} cannot be imported: {why}", at=_FIELD) from exc
    try:
        return getattr(imported, name)
    except AttributeError as exc:
        raise ConfigError(
            f"expected a function or a HyperModel, received {hypermodel.name}: {exc}", at=_FIELD
        ) from exc


def _instance(hypermodel: type[Any]) -> Any:
    try:
        return hypermodel()
    except TypeError as exc:
        raise ConfigError(
            f"expected a HyperModel that is made without arguments, received {exc}; name an "
            f"instance instead, as in model = {hypermodel.__name__}(…), or give the class a "
            "class method for_experiment(setup)",
            at=_FIELD,
        ) from exc
